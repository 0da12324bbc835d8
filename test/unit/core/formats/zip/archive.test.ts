import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZipArchive } from '../../../../../src/core/formats/zip/archive.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { buildZip, type ZipSpec } from '../../../support/checkpoint-builder.js';
import { checkpointError } from '../../../support/checkpoints.js';
import { countingSource } from '../../../support/counting-source.js';

const DATA = Uint8Array.from({ length: 100 }, (_, index) => index);
const LIMIT = { bytes: 1000, name: 'test' };

function open(spec: ZipSpec, limits = {}): Promise<ZipArchive> {
	return ZipArchive.open(memorySource(buildZip(spec), 'model.pth'), { inflate, limits });
}

const VALID: readonly [string, ZipSpec][] = [
	['stored', { entries: [{ name: 'a', data: DATA, padding: 17 }] }],
	['deflated', { entries: [{ name: 'a', data: DATA, deflate: true }] }],
	['zip64', { entries: [{ name: 'a', data: DATA, wide: true }], zip64: true }],
	[
		'with a comment that holds an end record',
		{ entries: [{ name: 'a', data: DATA }], comment: `PK\x05\x06${'x'.repeat(40)}` },
	],
];

for (const [title, spec] of VALID) {
	test(`an entry of a ${title} archive is read`, async () => {
		const archive = await open({
			...spec,
			entries: [{ name: 'first', data: DATA }, ...spec.entries, { name: 'last' }],
		});
		assert.deepEqual(archive.names, ['first', 'a', 'last']);
		assert.deepEqual(await archive.read('a', LIMIT), DATA);
		assert.deepEqual([...(await archive.storage('a').read(10, 3))], [10, 11, 12]);
		assert.equal((await archive.read('last', LIMIT)).length, 0);
	});
}

test('a stored entry is a range of the file, found by one read of 30 bytes', async () => {
	const bytes = buildZip({ entries: [{ name: 'a', data: DATA, padding: 5 }] });
	const source = countingSource(bytes);
	const storage = (await ZipArchive.open(source, { inflate })).storage('a');
	const before = source.reads.length;
	const [start] = await Promise.all([storage.locate(), storage.locate()]);
	assert.ok(start);
	assert.deepEqual(bytes.subarray(start, start + 100), DATA);
	assert.deepEqual(
		source.reads.slice(before).map(({ length }) => length),
		[30],
	);
});

const BOMB = new Uint8Array(5000);

const BROKEN: readonly [string, ZipSpec, string, RegExp][] = [
	[
		'overlapping entries',
		{
			entries: [
				{ name: 'a', data: DATA },
				{ name: 'b', offset: 20 },
			],
		},
		'malformed',
		/"a" overlaps/,
	],
	[
		'the same bytes twice',
		{
			entries: [
				{ name: 'a', data: DATA },
				{ name: 'b', offset: 0 },
			],
		},
		'malformed',
		/overlaps/,
	],
	[
		'an entry that reaches into the directory',
		{ entries: [{ name: 'a', data: DATA, compressedSize: 200 }] },
		'malformed',
		/overlaps/,
	],
	[
		'two sizes of a stored entry',
		{ entries: [{ name: 'a', data: DATA, size: 99 }] },
		'malformed',
		/two different sizes/,
	],
	[
		'a deflated entry longer than announced',
		{ entries: [{ name: 'a', data: BOMB, deflate: true, size: 100 }] },
		'malformed',
		/does not inflate to the 100/,
	],
	[
		'a deflated entry shorter than announced',
		{ entries: [{ name: 'a', data: DATA, deflate: true, size: 200 }] },
		'malformed',
		/does not inflate to the 200/,
	],
	[
		'garbage instead of deflate',
		{ entries: [{ name: 'a', data: DATA, method: 8, localMethod: 8 }] },
		'malformed',
		/does not inflate/,
	],
	['a method that differs', { entries: [{ name: 'a', data: DATA, localMethod: 8 }] }, 'malformed', /another way/],
	['an unknown method', { entries: [{ name: 'a', data: DATA, method: 14 }] }, 'unsupported', /method 14/],
	['encryption', { entries: [{ name: 'a', data: DATA, flags: 1 }] }, 'unsupported', /encrypted/],
	[
		'padding over the next entry',
		{ entries: [{ name: 'a', data: DATA, compressedSize: 110, size: 110, padding: 40 }, { name: 'b' }] },
		'malformed',
		/next entry/,
	],
	[
		'an offset inside the data',
		{ entries: [{ name: 'a', data: DATA, offset: 3, compressedSize: 1 }] },
		'malformed',
		/no local header/,
	],
	['a name that occurs twice', { entries: [{ name: 'a' }, { name: 'a' }] }, 'malformed', /two entries named "a"/],
	['more entries than there are', { entries: [{ name: 'a' }], count: 2 }, 'malformed', /entry 1/],
	[
		'a directory that is elsewhere',
		{ entries: [{ name: 'a', data: DATA }], directoryOffset: 4_000_000_000 },
		'malformed',
		/does not fit/,
	],
	[
		'a zip64 directory that is elsewhere',
		{ entries: [{ name: 'a' }], zip64: true, directoryOffset: 2 ** 60 },
		'malformed',
		/does not fit/,
	],
	['a large entry', { entries: [{ name: 'a', data: BOMB }] }, 'limit', /5000 bytes.*1000 \(test\)/],
];

for (const [title, spec, code, message] of BROKEN) {
	test(`zip: ${title} ends in one sentence`, () =>
		assert.rejects(
			open(spec).then((archive) => archive.read('a', LIMIT)),
			checkpointError(code, message),
		));
}

test('a zip bomb is refused by its announced size before it is inflated', async () => {
	const archive = await open(
		{ entries: [{ name: 'a', data: new Uint8Array(1_000_000), deflate: true }] },
		{ tensorBytes: 1000 },
	);
	await assert.rejects(archive.storage('a').read(0, 1), checkpointError('limit', /tensorBytes/));
});

test('limits of entries and of the directory are named, and a cut file is recognized', async () => {
	const spec = { entries: [{ name: 'a' }, { name: 'b' }] };
	await assert.rejects(open(spec, { zipEntries: 1 }), checkpointError('limit', /zipEntries/));
	await assert.rejects(open(spec, { zipDirectoryBytes: 50 }), checkpointError('limit', /zipDirectoryBytes/));
	const cut = memorySource(buildZip(spec).subarray(0, -1), 'model.pth');
	await assert.rejects(ZipArchive.open(cut, { inflate }), checkpointError('truncated', /directory/));
});
