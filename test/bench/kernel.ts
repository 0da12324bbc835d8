/**
 * Measures the kernels against memcpy, onnxruntime's own operator and plain TypeScript: one thread each, float32, warm
 * caches, results in memory allocated before. README.md explains the numbers and their limits.
 */
import { execFileSync } from 'node:child_process';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { affine, runtimeAffine } from '../../src/core/batchnorm/affine.js';
import { inferenceBound } from '../../src/core/batchnorm/bound.js';
import { createKernel, type Kernel, type Layout, type VerifyRequest } from '../../src/kernel/index.js';
import { buildModel } from '../unit/support/model-builder.js';

const SHAPES: readonly (readonly number[])[] = [
	[8, 64, 112, 112],
	[8, 256, 56, 56],
	[8, 2048, 7, 7],
	[64, 4096],
];

/** Rounds in which all contestants take turns, so that other load affects all of them alike. */
const ROUNDS = 21;
/** Calls per turn take about this long, in ms. The fastest call counts, because preemption only adds time. */
const TURN_MS = 12;

/** Ratios of median times, the kernel's time below the line. Inputs lie in kernel memory unless stated otherwise. */
export interface KernelSpeed {
	/** Speed of y = s * x + t as a share of memcpy's. */
	readonly applyOverMemcpy: number;
	readonly applySpeedupOverRuntime: number;
	readonly verifySpeedupOverRuntime: number;
	/** Bytes of x and y read, in 10^9 per second. */
	readonly verifyGBs: number;
	readonly verifySpeedupOverScalar: number;
	readonly momentsSpeedupOverScalar: number;
	/** The same with x and y in ordinary arrays, copied in piece by piece. */
	readonly verifyStreamedOverRuntime: number;
}

/** Runs in a process of its own, because the runtime's telemetry must be off before the library loads. */
export async function benchKernel(): Promise<Record<string, KernelSpeed>> {
	const script = `const { measureKernels } = await import(${JSON.stringify(import.meta.url)});
		console.log(JSON.stringify(await measureKernels()));`;
	const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
		env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
		encoding: 'utf8',
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	return JSON.parse(output);
}

export async function measureKernels(): Promise<Record<string, KernelSpeed>> {
	const speeds: Record<string, KernelSpeed> = {};
	for (const shape of SHAPES) {
		speeds[shape.join('x')] = await measureShape(shape);
	}
	return speeds;
}

async function measureShape(shape: readonly number[]): Promise<KernelSpeed> {
	const kernel = await createKernel();
	const scalar = await createKernel({ simd: false });
	const { request, out, session } = await prepare(kernel, shape);
	const { x, y, dtype, layout, scale, shift } = request;
	const feeds = { x: new Tensor('float32', x as Float32Array, shape) };
	const fetches = { y: new Tensor('float32', y as Float32Array, shape) };
	const copies = { ...request, x: Float32Array.from(x), y: Float32Array.from(y) };
	const times = await takeTurns({
		runtime: () => session.run(feeds, fetches),
		memcpy: () => out.set(x),
		apply: () => kernel.apply({ x, dtype, layout, scale, shift, out }),
		verify: () => kernel.verify(request),
		streamed: () => kernel.verify(copies),
		scalarVerify: () => scalar.verify(request),
		moments: () => kernel.moments(x, dtype, layout),
		scalarMoments: () => scalar.moments(x, dtype, layout),
	});
	await session.release();
	return {
		applyOverMemcpy: times.memcpy / times.apply,
		applySpeedupOverRuntime: times.runtime / times.apply,
		verifySpeedupOverRuntime: times.runtime / times.verify,
		verifyGBs: (2 * x.byteLength) / 1e6 / times.verify,
		verifySpeedupOverScalar: times.scalarVerify / times.verify,
		momentsSpeedupOverScalar: times.scalarMoments / times.moments,
		verifyStreamedOverRuntime: times.runtime / times.streamed,
	};
}

/** Data like a trained layer's, with the runtime's own y, so that verification finds no error. */
async function prepare(kernel: Kernel, shape: readonly number[]) {
	const [batch = 1, channels = 1, ...spatial] = shape;
	const layout: Layout = { batch, channels, planeSize: spatial.reduce((product, size) => product * size, 1) };
	const count = batch * channels * layout.planeSize;
	kernel.reserve(3 * (count * 4 + 64));
	const [x, y, out] = [0, 1, 2].map(() => kernel.allocate('float32', count)) as [
		Float32Array,
		Float32Array,
		Float32Array,
	];
	const random = normals(7);
	x.forEach((_, i) => {
		x[i] = random();
	});
	const values = (make: () => number) => Float32Array.from({ length: channels }, make);
	const parameters = {
		gamma: values(() => 1 + 0.3 * random()),
		beta: values(() => 0.3 * random()),
		mean: values(() => 0.5 * random()),
		variance: values(() => Math.exp(0.3 * random())),
	};
	const epsilon = Math.fround(1e-5);
	const session = await InferenceSession.create(model(shape, parameters), { intraOpNumThreads: 1 });
	await session.run({ x: new Tensor('float32', x, shape) }, { y: new Tensor('float32', y, shape) });
	const { gamma, beta, mean, variance } = parameters;
	const { slope: boundSlope, offset: boundOffset } = inferenceBound({ ...parameters, epsilon }, 'float32');
	const request: VerifyRequest = {
		...{ x, y, dtype: 'float32', layout, boundSlope, boundOffset },
		...affine(gamma, beta, mean, variance, epsilon),
		likely: runtimeAffine(gamma, beta, mean, variance, epsilon),
	};
	const worst = Math.max(...kernel.verify(request).boundRatio);
	if (!(worst < 1)) {
		throw new Error(`The runtime's output is off by ${worst} times its bound: there is nothing to compare.`);
	}
	return { request, out, session };
}

function model(shape: readonly number[], parameters: Readonly<Record<string, Float32Array>>): Uint8Array {
	const names = ['gamma', 'beta', 'mean', 'variance'];
	return buildModel({
		graph: {
			nodes: [{ op: 'BatchNormalization', inputs: ['x', ...names], outputs: ['y'] }],
			initializers: names.map((name) => ({ name, values: [...(parameters[name] ?? [])] })),
			inputs: [{ name: 'x', dtype: 'float32', shape }],
			outputs: [{ name: 'y', dtype: 'float32', shape }],
		},
	});
}

/** Returns the time of one call of each contestant, in ms: the median over all rounds. */
async function takeTurns<Name extends string>(
	contestants: Readonly<Record<Name, () => unknown>>,
): Promise<Record<Name, number>> {
	const entries = Object.entries(contestants) as [Name, () => unknown][];
	const times = new Map<Name, number[]>(entries.map(([name]) => [name, []]));
	// Skips the first rounds, which warm up.
	for (let round = -2; round < ROUNDS; round++) {
		for (const [name, call] of entries) {
			const time = await fastest(call);
			if (round >= 0) {
				times.get(name)?.push(time);
			}
		}
	}
	const median = (values: readonly number[] = []) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
	return Object.fromEntries(entries.map(([name]) => [name, median(times.get(name))])) as Record<Name, number>;
}

async function fastest(call: () => unknown): Promise<number> {
	let best = Number.POSITIVE_INFINITY;
	const end = performance.now() + TURN_MS;
	do {
		const start = performance.now();
		await call();
		best = Math.min(best, performance.now() - start);
	} while (performance.now() < end);
	return best;
}

/** Returns seeded normal deviates (mulberry32, Box-Muller). */
function normals(seed: number): () => number {
	let state = seed;
	const uniform = () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
	};
	return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
