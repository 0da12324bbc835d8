/** Small networks of linear operators with BatchNormalization behind them, in every arrangement that runtimes fuse. */
import { type Random, seededRandom } from '../../../src/engine/child/tensors/random.js';
import { buildModel, type NodeSpec, type TensorSpec } from './model-builder.js';

export interface LinearBlock {
	readonly op: 'Conv' | 'ConvTranspose' | 'Gemm' | 'MatMul';
	/** Output channels. */
	readonly channels: number;
	readonly bias?: boolean;
	/** Of Conv and ConvTranspose; has to divide both numbers of channels. */
	readonly group?: number;
	readonly transB?: boolean;
	/** What stands between the operator and its layer. `transpose` needs as many rows as channels. */
	readonly between?: 'identity' | 'add' | 'transpose' | 'reshape' | 'transpose-reshape';
	/** Layers one behind the other; 1 by default. */
	readonly chain?: number;
	/** What stands between these. */
	readonly link?: 'identity' | 'add';
	readonly relu?: boolean;
}

interface NetworkOptions {
	readonly seed: number;
	readonly batch: number;
	/** A Dropout in training mode in front of the output. */
	readonly dropout?: boolean;
}

/** Images are this high and wide; rows of MatMul and Gemm are as long as the channels before them. */
const SIDE = 5;

interface Building {
	readonly nodes: NodeSpec[];
	readonly initializers: TensorSpec[];
	readonly random: Random;
	readonly batch: number;
}

/** x (batch, C, SIDE, SIDE) for convolutions, else (batch, C); one block after the other; y. */
export function linearNetwork(blocks: readonly LinearBlock[], options: NetworkOptions): Uint8Array {
	const building: Building = {
		nodes: [],
		initializers: [],
		random: seededRandom(options.seed),
		batch: options.batch,
	};
	const shape = inputShape(blocks[0], options.batch);
	let [tensor, channels] = ['x', shape[1]];
	for (const [index, block] of blocks.entries()) {
		tensor = addBlock(building, block, { index, input: tensor, from: channels });
		channels = block.channels;
	}
	const op = options.dropout ? 'Dropout' : 'Identity';
	const inputs = options.dropout ? [tensor, 'ratio', 'training'] : [tensor];
	if (options.dropout) {
		building.initializers.push({ name: 'ratio', dims: [], values: [0.5] });
		building.initializers.push({ name: 'training', dtype: 'bool', dims: [], values: [1] });
	}
	building.nodes.push({ op, name: 'last', inputs, outputs: ['y'] });
	return buildModel({
		opset: 15,
		graph: {
			inputs: [{ name: 'x', shape }],
			outputs: [{ name: 'y', shape: shape.map(() => null) }],
			nodes: building.nodes,
			initializers: building.initializers,
		},
	});
}

function inputShape({ op, channels }: LinearBlock, batch: number): number[] {
	return op === 'Conv' || op === 'ConvTranspose' ? [batch, channels, SIDE, SIDE] : [batch, channels];
}

interface Place {
	readonly index: number;
	readonly input: string;
	readonly from: number;
}

function addBlock(building: Building, block: LinearBlock, { index, input, from }: Place): string {
	const { nodes, initializers, random } = building;
	const { op, channels, group = 1, transB = false } = block;
	const constant = (name: string, dims: readonly number[], draw = random.normal) => {
		const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, draw);
		initializers.push({ name: `${name}`, dims, values });
		return name;
	};
	const weight = constant(`linear${index}.w`, weightDims(block, from));
	const bias = block.bias && op !== 'MatMul' ? [constant(`linear${index}.b`, [channels])] : [];
	const attributes: NodeSpec['attributes'] = {
		...((op === 'Conv' || op === 'ConvTranspose') && { group: { i: group }, pads: { ints: [1, 1, 1, 1] } }),
		...(op === 'Gemm' && { transB: { i: Number(transB) }, alpha: { f: 0.5 } }),
	};
	nodes.push({ op, name: `linear${index}`, inputs: [input, weight, ...bias], outputs: [`z${index}`], attributes });
	let tensor = addBetween(building, block, index);
	for (let number = 0; number < (block.chain ?? 1); number++) {
		const suffix = number === 0 ? `${index}` : `${index}.${number}`;
		if (number > 0 && block.link) {
			const dims = op === 'Conv' || op === 'ConvTranspose' ? [channels, 1, 1] : [channels];
			const added = block.link === 'add' ? [constant(`link${suffix}`, dims)] : [];
			const node = block.link === 'add' ? 'Add' : 'Identity';
			nodes.push({ op: node, inputs: [tensor, ...added], outputs: [`l${suffix}`] });
			tensor = `l${suffix}`;
		}
		const parameters = [
			constant(`bn${suffix}.g`, [channels], () => 0.5 + random.uniform()),
			constant(`bn${suffix}.b`, [channels]),
			constant(`bn${suffix}.m`, [channels]),
			constant(`bn${suffix}.v`, [channels], () => 0.1 + 3 * random.uniform()),
		];
		const inputs = [tensor, ...parameters];
		tensor = `n${suffix}`;
		nodes.push({ op: 'BatchNormalization', name: `bn${suffix}`, inputs, outputs: [tensor] });
	}
	if (!block.relu) {
		return tensor;
	}
	nodes.push({ op: 'Relu', name: `relu${index}`, inputs: [tensor], outputs: [`r${index}`] });
	return `r${index}`;
}

function weightDims({ op, channels, group = 1, transB }: LinearBlock, from: number): number[] {
	switch (op) {
		case 'Conv':
			return [channels, from / group, 3, 3];
		case 'ConvTranspose':
			return [from, channels / group, 3, 3];
		case 'Gemm':
			return transB ? [channels, from] : [from, channels];
		case 'MatMul':
			return [from, channels];
	}
}

function addBetween({ nodes, initializers, random, batch }: Building, block: LinearBlock, index: number): string {
	const { between, channels, op } = block;
	const rank = op === 'Conv' || op === 'ConvTranspose' ? 4 : 2;
	let tensor = `z${index}`;
	const add = (node: NodeSpec, output: string) => {
		nodes.push({ ...node, inputs: [tensor, ...(node.inputs ?? [])], outputs: [output] });
		tensor = output;
	};
	if (between === 'identity') {
		add({ op: 'Identity' }, `i${index}`);
	}
	if (between === 'add') {
		const dims = rank === 4 ? [channels, 1, 1] : [channels];
		initializers.push({ name: `a${index}`, dims, values: Array.from({ length: channels }, random.normal) });
		add({ op: 'Add', inputs: [`a${index}`] }, `s${index}`);
	}
	if (between?.startsWith('transpose')) {
		const perm = rank === 4 ? [0, 1, 3, 2] : [1, 0];
		add({ op: 'Transpose', name: `transpose${index}`, attributes: { perm: { ints: perm } } }, `t${index}`);
	}
	if (between?.endsWith('reshape')) {
		const side = between === 'reshape' && rank === 2 ? [batch, channels] : [0, 0, ...(rank === 4 ? [-1] : [])];
		initializers.push({ name: `shape${index}`, dtype: 'int64', values: side });
		add({ op: 'Reshape', name: `reshape${index}`, inputs: [`shape${index}`] }, `q${index}`);
	}
	return tensor;
}

export interface ZooModel {
	readonly bytes: Uint8Array;
	/** Of x. */
	readonly shape: readonly number[];
	/** Names of the layers' outputs. */
	readonly layers: readonly string[];
	readonly description: string;
}

const link = (kind: LinearBlock['link']) => (kind ? { link: kind } : {});

const OPERATORS = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul'] as const;
const BETWEEN = [undefined, undefined, 'identity', 'add', 'transpose', 'reshape', 'transpose-reshape'] as const;

/**
 * Seeded random networks of one to three blocks: square ones often, since that is where a wrong axis fits, too.
 * @param chains several layers behind an operator here and there
 */
export function* linearZoo(count: number, { chains = false } = {}): Generator<ZooModel, void> {
	for (let seed = 0; seed < count; seed++) {
		const random = seededRandom(seed + 1000);
		const pick = <T>(list: readonly T[]): T => list[Math.floor(random.uniform() * list.length)];
		const op = OPERATORS[seed % OPERATORS.length];
		const channels = pick([2, 4, 6]);
		const blocks = Array.from({ length: pick([1, 1, 2, 3]) }, (): LinearBlock => {
			const between = pick(BETWEEN);
			return {
				op,
				channels,
				bias: pick([true, false]),
				group: pick([1, 1, 2]),
				transB: pick([true, false]),
				relu: pick([true, false]),
				...(chains && { chain: pick([1, 2, 3]), ...link(pick([undefined, 'identity', 'add'])) }),
				...(between && { between }),
			};
		});
		// A Reshape of images to rows ends what convolutions can work on.
		const last = blocks.findIndex(({ between }) => between?.endsWith('reshape') && op.startsWith('Conv'));
		const used = last < 0 ? blocks : blocks.slice(0, last + 1);
		// Turned tensors fit the layer only where rows and channels are as many.
		const batch = used.some(({ between }) => between?.startsWith('transpose')) ? channels : pick([1, 3, channels]);
		yield {
			bytes: linearNetwork(used, { seed, batch }),
			shape: inputShape(used[0], batch),
			layers: used.map((_, index) => `n${index}`),
			description: `${seed}: batch ${batch}, ${JSON.stringify(used)}`,
		};
	}
}
