import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeMarkup } from '../../../../src/core/text/names.js';
import { pageHtml } from '../../../../src/host/shared/webview-html.js';

const html = pageHtml({
	cspSource: 'https://*.webview.test',
	nonce: 'n0nce/+=',
	script: 'https://w.test/webview.js?a=1&b=2',
	styles: ['https://w.test/page.css'],
	title: '<img src=x onerror=alert(1)>.onnx',
});

test('only our own files may be loaded or run', () => {
	const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1]?.replaceAll('&#39;', "'") ?? '';
	const directives = new Map(policy.split('; ').map((directive) => directive.split(/ (.*)/) as [string, string]));
	assert.deepEqual(Object.fromEntries(directives), {
		'default-src': "'none'",
		'img-src': 'https://*.webview.test blob: data:',
		'font-src': 'https://*.webview.test',
		'style-src': 'https://*.webview.test',
		'script-src': "'nonce-n0nce/+='",
	});
});

test('there is one script with the nonce, and no inline code or style', () => {
	const scripts = [...html.matchAll(/<script([^>]*)>([^<]*)<\/script>/g)];
	assert.equal(scripts.length, 1);
	assert.match(scripts[0]?.[1] ?? '', /^ nonce="n0nce\/\+=" src="https:\/\/w\.test\/webview\.js\?/);
	assert.equal(scripts[0]?.[2], '');
	assert.doesNotMatch(html, /<style| style=| on\w+="/);
});

test('a hostile file name stays text', () => {
	assert.doesNotMatch(html, /<img/);
	assert.equal(escapeMarkup(`<a href="x" id='y'>&</a>`), '&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;&lt;/a&gt;');
	assert.match(html, /src="https:\/\/w\.test\/webview\.js\?a=1&amp;b=2"/);
});
