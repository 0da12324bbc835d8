import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeMarkup } from '../../../../src/core/text/names.js';
import { brokenPageHtml, pageHtml } from '../../../../src/host/shared/webview-html.js';

const html = pageHtml({
	nonce: 'n0nce/+=',
	script: 'start(1 < 2 && "&amp;");',
	styles: ['.a > .b { color: red; }', '.c {}'],
	title: '<img src=x onerror=alert(1)>.onnx',
});

test('the policy allows only code and styles with the nonce, and no file', () => {
	const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1]?.replaceAll('&#39;', "'") ?? '';
	const directives = new Map(policy.split('; ').map((directive) => directive.split(/ (.*)/) as [string, string]));
	assert.deepEqual(Object.fromEntries(directives), {
		'default-src': "'none'",
		'img-src': 'blob: data:',
		'style-src': "'nonce-n0nce/+='",
		'script-src': "'nonce-n0nce/+='",
	});
});

test('script and styles are part of the page unchanged, each with the nonce', () => {
	const parts = [...html.matchAll(/<(script|style) ([^>]*)>(.*)<\/\1>/g)].map(([, name, attributes, code]) => [
		name,
		attributes,
		code,
	]);
	assert.deepEqual(parts, [
		['style', 'nonce="n0nce/+="', '.a > .b { color: red; }'],
		['style', 'nonce="n0nce/+="', '.c {}'],
		['script', 'nonce="n0nce/+=" data-nonce="n0nce/+="', 'start(1 < 2 && "&amp;");'],
	]);
	assert.doesNotMatch(html, / style=| on\w+="| src="/);
});

test('a hostile file name stays text', () => {
	assert.doesNotMatch(html, /<img/);
	assert.equal(escapeMarkup(`<a href="x" id='y'>&</a>`), '&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;&lt;/a&gt;');
});

test('a page of an incomplete extension says so without code', () => {
	const broken = brokenPageHtml('The extension is not complete: <b>');
	assert.match(broken, /<p>The extension is not complete: &lt;b&gt;<\/p>/);
	assert.doesNotMatch(broken, /<script|<style/);
});
