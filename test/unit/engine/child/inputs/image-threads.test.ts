import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { encode } from 'fast-png';
import { readImage } from '../../../../../src/engine/child/inputs/image-file.js';
import { ImageThreads } from '../../../../../src/engine/child/inputs/image-threads.js';
import { openSamples, type Samples } from '../../../../../src/engine/child/inputs/sample-batches.js';
import { InputError } from '../../../../../src/engine/child/tensors/errors.js';

const SCRIPT = path.resolve('dist', 'engine', 'image-thread.js');
const INPUT = { name: 'x', type: 'float32', shape: ['N', 3, 6, 7] };

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-threads-'));
	for (let index = 0; index < 12; index++) {
		const data = Uint8Array.from({ length: 8 * 7 * 3 }, (_, at) => (at * 7 + index * 31) % 256);
		await writeFile(path.join(folder, `${index + 10}.png`), encode({ width: 8, height: 7, channels: 3, data }));
	}
});
after(() => rm(folder, { recursive: true }));

const file = (index: number) => path.join(folder, `${index + 10}.png`);

async function valuesOf(samples: Samples): Promise<number[]> {
	const values: number[] = [];
	for await (const { parts } of samples.read()) {
		values.push(...parts.flatMap((part) => Array.from(part.get('x')?.data ?? [], Number)));
	}
	return values;
}

test('images read in threads are those of the main thread, in the order of the files', async () => {
	const threads = new ImageThreads(SCRIPT, 3);
	const options = { files: [{ input: undefined, path: folder }], batch: 8, normalize: '0..1', colors: 'bgr' } as const;
	const expected = await valuesOf(await openSamples([INPUT], options));
	assert.equal(expected.length, 12 * 3 * 6 * 7);
	assert.deepEqual(await valuesOf(await openSamples([INPUT], { ...options, threads })), expected);
	assert.equal(threads.running, 3, 'eight images are enough for all threads, and the last four are not');
	threads.close();
	assert.equal(threads.running, 0);
});

test('a thread raises the error of the first file that cannot be read, and reads on', async () => {
	const threads = new ImageThreads(SCRIPT, 2);
	const broken = path.join(folder, 'broken.txt');
	await writeFile(broken, 'no image');
	await assert.rejects(threads.read(broken, INPUT, {}), (error: Error) => {
		assert.ok(error instanceof InputError);
		assert.match(
			error.message,
			/broken\.txt is not a PNG or JPEG image that can be read: it begins as neither of them does/,
		);
		return true;
	});
	await assert.rejects(threads.read(path.join(folder, 'missing.png'), INPUT, {}), /there is no such file/);
	assert.deepEqual(await threads.read(file(0), INPUT, {}), await readImage(file(0), INPUT, {}));
	threads.close();
});

test('without threads, images are read in the main thread', async () => {
	const expected = await readImage(file(3), INPUT, {});
	const missing = new ImageThreads(path.join(folder, 'no-such-thread.js'), 2);
	assert.deepEqual(await missing.read(file(3), INPUT, {}), expected);
	const threads = new ImageThreads(SCRIPT, 1);
	const [first, second] = [threads.read(file(3), INPUT, {}), threads.read(file(3), INPUT, {})];
	threads.close();
	assert.deepEqual(await Promise.all([first, second]), [expected, expected]);
	assert.deepEqual(await threads.read(file(3), INPUT, {}), expected, 'threads start again');
	threads.close();
});
