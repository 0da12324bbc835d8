import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Attribute, Node } from '../../../../../src/core/onnx/model.js';
import { hasSameMeaning } from '../../../../../src/engine/child/model/operator-changes.js';

interface Schema {
	readonly version: number;
	/** Names; "?" ends an optional one, "*" a variadic one. */
	readonly inputs: readonly string[];
	readonly outputs: number;
	/** Default of each attribute, "required", or "" for none. */
	readonly attributes: Readonly<Record<string, string>>;
}

const { operators } = JSON.parse(readFileSync('test/fixtures/operator-history.json', 'utf8')) as {
	readonly operators: Readonly<Record<string, readonly Schema[]>>;
};

function node(opType: string, { attributes = [] as readonly string[], inputs = 1, outputs = 1 } = {}): Node {
	const list = (count: number) => Array.from({ length: count }, (_, i) => `t${i}`);
	const values = new Map(attributes.map((name) => [name, { name, i: 1 } as Attribute]));
	const parts = { opType, domain: '', name: '', overload: '', inputs: list(inputs), outputs: list(outputs) };
	return { ...parts, attributes: values, index: 0, span: { offset: 0, length: 0 } } as Node;
}

/** Schema changes after which no node keeps its meaning: another or no attribute, other inputs. */
function isChanged(before: Schema, after: Schema): boolean {
	const names = Object.keys(before.attributes).filter((name) => name !== 'consumed_inputs');
	const isOther = names.some((name) => before.attributes[name] !== after.attributes[name]);
	const required = ({ inputs }: Schema) => inputs.filter((name) => !name.endsWith('?')).length;
	return isOther || required(before) !== required(after);
}

/** Attributes whose requirement became looser. */
const LOOSENED = new Set(['Constant 11']);

test('each change in the schemas of ONNX counts as one', () => {
	let changes = 0;
	for (const [opType, schemas] of Object.entries(operators)) {
		const first = schemas[0].version;
		assert.ok(first === 1 || !hasSameMeaning(node(opType), first, first - 1), `${opType} came with ${first}`);
		for (const [index, after] of schemas.entries()) {
			const before = schemas[index - 1];
			const { version } = after;
			if (!before) {
				continue;
			}
			const what = `${opType} ${before.version} to ${version}`;
			if (isChanged(before, after) && !LOOSENED.has(`${opType} ${version}`)) {
				changes++;
				assert.ok(!hasSameMeaning(node(opType), version - 1, version), `${what}: inputs or attributes`);
			}
			for (const name of Object.keys(after.attributes).filter((name) => !(name in before.attributes))) {
				changes++;
				assert.ok(!hasSameMeaning(node(opType, { attributes: [name] }), version, version - 1), `${what}: ${name}`);
			}
			if (after.inputs.length > before.inputs.length) {
				const all = { inputs: after.inputs.length };
				assert.ok(!hasSameMeaning(node(opType, all), version, version - 1), `${what}: more inputs`);
			}
			if (after.outputs !== before.outputs) {
				assert.ok(!hasSameMeaning(node(opType, { outputs: 2 }), version, version - 1), `${what}: outputs`);
			}
		}
	}
	assert.ok(changes > 50, `${changes} changes`);
});

test('a node without the additions keeps its meaning in an older operator set', () => {
	for (const [opType, from, to] of [
		['Constant', 20, 9],
		['Reshape', 21, 13],
		['MaxPool', 12, 7],
		['Flatten', 17, 8],
		['Shape', 17, 13],
		['BatchNormalization', 15, 9],
	] as const) {
		assert.equal(hasSameMeaning(node(opType), from, to), true, `${opType} ${from} in ${to}`);
	}
	const negative = { ...node('Concat'), attributes: new Map([['axis', { name: 'axis', i: -1 } as Attribute]]) };
	assert.equal(hasSameMeaning(negative, 11, 10), false);
	assert.equal(hasSameMeaning(negative, 11, 13), true);
	assert.equal(hasSameMeaning(node('Dropout', { outputs: 2 }), 9, 10), false);
	assert.equal(hasSameMeaning(node('UnknownOperator'), 9, 10), false);
});
