import { wrap } from './render/text.js';

/** The command line is malformed. The message is a sentence. */
export class UsageError extends Error {
	override readonly name = 'UsageError';
}

/** Help of a single command. */
interface CommandHelp {
	/** Forms of the command line, without the name of the program. */
	readonly forms: readonly string[];
	/** Paragraphs before the options. */
	readonly about: readonly string[];
	readonly options: readonly (readonly [flags: string, meaning: string])[];
	/** Paragraphs behind the options. */
	readonly remarks?: readonly string[];
	/** Command lines that work as they are, without the name of the program. */
	readonly examples: readonly string[];
}

const HELP = {
	inspect: {
		forms: ['inspect MODEL [options]'],
		about: [
			'Shows every BatchNormalization layer of an ONNX model, runs the model with onnxruntime, recomputes each layer and compares the results. MODEL may also be a PyTorch checkpoint (.pth .pt .ckpt .bin: zip, legacy or TorchScript), a .safetensors file or a Keras model. Then its parameters are inspected, and its code is never executed.',
		],
		options: [
			['--json', 'print a JSON document (batchnorm-lens.report) instead of tables'],
			['--format FORMAT', 'text (default), json, csv, markdown, html, sarif or junit'],
			['-o, --output FILE', 'write to a file instead of standard output'],
			[
				'--explain',
				'add formulas, the three methods, and the difference between training and inference to the answer over which axes the layers normalize',
			],
			['--no-run', 'structure, parameters and health only'],
			[
				'--input NAME=FILE',
				'feed a file (.npy, .npz or .npz:MEMBER, ONNX TensorProto .pb, .png, .jpg), or a folder of such files. Repeat it for several inputs, or for several files of an input: these run in batches, and their statistics are merged. NAME= may be left out if the model has a single input. Default: seeded random',
			],
			[
				'--normalize HOW',
				'range of the pixels of images: imagenet (default for three channels), 0..1, -1..1, none (0 to 255), or MEAN/DEVIATION, such as 0.5,0.5,0.5/0.2,0.2,0.2, for (p - MEAN) / DEVIATION with pixels p from 0 to 1',
			],
			['--colors ORDER', 'order in which the model takes the colors of images: rgb (default) or bgr'],
			['--batch N', 'size of an unknown first dimension (default 1)'],
			['--dim NAME=SIZE', 'size of another unknown dimension, by its symbol or as INPUT:AXIS=SIZE; repeat for several'],
			['--seed N', 'seed of the random inputs (default 0)'],
			['--random KIND', 'their distribution: normal (default), or uniform between 0 and 1'],
			['--memory-budget MB', 'tensors to hold at a time (default 512); beyond that the model is run in several parts'],
			['--no-optimized', "skip the comparison with the runtime's results at its default level of optimization"],
			[
				'--save-outputs DIR',
				"write each layer's recomputed output to DIR/<index>.npy; with several runs to DIR/<run>/<index>.npy",
			],
			['--timeout SECONDS', 'stop after this time, print the results up to then, and exit with 2; default: no limit'],
			['--fail-on SEVERITY', 'exit 1 for findings of at least this severity: info, warning, error (default), never'],
			['--baseline FILE', 'findings in FILE are known and do not fail; renamed layers and moved models keep theirs'],
			['--update-baseline', 'write the findings of this model to the baseline file; entries of other models stay'],
		],
		examples: ['inspect model.onnx', 'inspect model.onnx --input photos/ --batch 8', 'inspect model.onnx --explain'],
	},
	compare: {
		forms: ['compare ORIGINAL DEPLOYED [options]'],
		about: [
			"Says for every BatchNormalization of the original if its parameters arrived in the deployed model, and names the cause if they did not. Then runs both models on the same input, and finds the values behind each layer of the original among the deployed model's tensors. ORIGINAL may be a PyTorch checkpoint, a .safetensors file or a Keras model; then only parameters are compared.",
		],
		options: [
			['--json', 'print a JSON document (batchnorm-lens.comparison) instead of tables'],
			['--format FORMAT', 'text (default), json, csv, markdown, html, sarif or junit'],
			['-o, --output FILE', 'write to a file instead of standard output; never to a file that is read'],
			[
				'--fail-on SEVERITY',
				'exit 1 for results of at least this severity: info, warning, error (default), never. A wrong layer and differing outputs are errors. A layer without a counterpart is a warning. A rounded layer, or a layer that cannot be judged, is info',
			],
			['--tolerance REL', 'report differences below REL of the largest value, for example 0.001, without failing'],
			[
				'--baseline FILE, --update-baseline',
				"as for inspect: wrong layers in FILE are known, by their causes and by the original's parameters",
			],
			['--no-run', 'compare the files only'],
			['--timeout SECONDS', 'stop after this time and exit with 2; default: no limit'],
			[
				'--input, --normalize, --colors, --batch, --dim, --seed, --random, --memory-budget',
				"as for inspect, by the names of the original's inputs; only the first batch of several files is run",
			],
		],
		remarks: [
			"PyTorch's exporters fold BatchNormalization by default. To keep it in an export, pass training=torch.onnx.TrainingMode.PRESERVE and do_constant_folding=False to torch.onnx.export; with the dynamo exporter, optimize=False.",
		],
		examples: ['compare model.onnx deployed.onnx', 'compare checkpoint.pth deployed.onnx --json'],
	},
	check: {
		forms: ['check PATH… [--pair ORIGINAL=DEPLOYED]… [options]'],
		about: [
			'Inspects many models and compares many pairs in a single command, for CI. PATH is a model, a folder with .onnx files at any depth, or a pattern with *, ? and **, in quotes. The exit status is 1 if a model or a pair has a finding that fails, and 2 if a model or a pair could not be judged.',
		],
		options: [
			['--pair ORIGINAL=DEPLOYED', 'compare two models; repeat for several pairs'],
			['--json', 'print a JSON document (batchnorm-lens.check)'],
			['--sarif FILE, --junit FILE', 'write all findings to a single file'],
			['--summary FILE', 'append a summary in Markdown'],
			[
				'--baseline FILE, --update-baseline, --fail-on, --tolerance, --no-run, --batch, --dim, --seed, --memory-budget',
				'as for inspect and compare, for every model and pair',
			],
			[
				'--timeout SECONDS',
				'stop each model and each pair after this time; its results up to then count as not judged (exit 2), and the next follows; default: no limit',
			],
		],
		examples: ['check models/ --sarif findings.sarif', 'check models/ --pair model.onnx=deployed.onnx'],
	},
	fold: {
		forms: ['fold MODEL -o OUT [options]'],
		about: [
			'Writes the model with every foldable BatchNormalization folded into the operator beside it; every other byte stays. Runs each folded operator and the whole model on random input, and compares with the original. A layer that does not pass is not folded. Exits with 2 if no run could verify the written file.',
		],
		options: [
			['-o, --output OUT', 'the file to write; never the model itself'],
			['--json', 'print a JSON document (batchnorm-lens.fold)'],
			[
				'--treat-inputs-as-constants',
				'also fold constants that are listed as inputs of the graph, as old exporters do; callers can no longer feed these inputs',
			],
			['--batch N, --seed N', 'as for inspect, for the run that verifies'],
			['--timeout SECONDS', 'stop after this time, write no file, and exit with 2; default: no limit'],
		],
		examples: ['fold model.onnx -o model.folded.onnx'],
	},
	repair: {
		forms: ['repair MODEL -o OUT [options]', 'repair DEPLOYED --original ORIGINAL -o OUT [options]'],
		about: [
			'Makes an inference model of a model that was exported in training mode: BatchNormalization uses its running statistics, their outputs and Dropout are off, and every other byte stays. Reads the written file back and runs it. Writes no file if the model needs no change. Exits with 1 if a layer stays in training mode, and with 2 if no run could verify the written file.',
			"With --original: corrects the weights and biases of every wrong fold, in the deployed model's own layout and type; every other byte stays. ORIGINAL may be a checkpoint. Quantized weights are quantized again, and layers that are still layers get their parameters back. Compares the result with the original again. Exits with 1 if a layer could not be repaired.",
		],
		options: [
			['-o, --output OUT', 'the file to write; never a model itself'],
			['--original ORIGINAL', 'the model before its layers were folded'],
			['--json', 'print a JSON document (batchnorm-lens.repair)'],
			['--batch N, --seed N', 'as for inspect, for the run that verifies'],
			['--timeout SECONDS', 'stop after this time, write no file, and exit with 2; default: no limit'],
		],
		examples: ['repair training.onnx -o inference.onnx', 'repair deployed.onnx --original model.onnx -o repaired.onnx'],
	},
	reestimate: {
		forms: [
			'reestimate MODEL --input NAME=FILE… -o OUT [options]',
			'reestimate MODEL --input NAME=FILE… --statistics-only [options]',
			'reestimate MODEL --statistics FILE -o OUT [options]',
		],
		about: [
			"Computes the running statistics of every BatchNormalization layer from data and writes them into a copy of the model, which becomes an inference model; every other byte stays. Each layer normalizes with the statistics of its batch, as in training (arXiv 1502.03167, algorithm 2). The batches' means and unbiased variances are weighted by their numbers of values. Runs the written model on the same data. Exits with 1 if a layer was kept or does not fit the data, and with 2 if no run could verify the written file.",
		],
		options: [
			[
				'-o, --output OUT',
				'the model to write, never the model itself; with --statistics-only the file for the statistics',
			],
			['--json', 'print a JSON document (batchnorm-lens.reestimation, or batchnorm-lens.statistics)'],
			[
				'--input, --normalize, --colors, --dim',
				'as for inspect; a file may hold many samples. Consecutive samples make up a batch, so shuffle data that are sorted by class',
			],
			[
				'--batch N',
				'samples in a batch (default 32): as many as in training. The last batch holds the rest, and its weight is its number of values; with a single value per channel it is left out',
			],
			[
				'--mode MODE',
				'batch (default), or sequential: corrects layer by layer, each behind layers that are already corrected. It takes longer and does not depend on the batches; for data that run singly',
			],
			[
				'--statistics-only',
				'write the statistics of these data (a shard of many) instead of a model; merge joins shards exactly',
			],
			['--statistics FILE', 'write these statistics instead of computing any; --input then only verifies them'],
			['--memory-budget MB', 'tensors that --mode sequential keeps between layers (default 512)'],
			['--timeout SECONDS', 'stop after this time, write no file, and exit with 2; default: no limit'],
		],
		examples: ['reestimate model.onnx --input photos/ --batch 32 -o fresh.onnx'],
	},
	merge: {
		forms: ['merge FILE… [options]'],
		about: [
			'Merges reports that inspect --json wrote of the same model on parts of the data. The batch statistics become exactly the statistics of all data, and the running statistics are judged by them again. Also merges files that reestimate --statistics-only wrote, exactly and in any order.',
		],
		options: [['--json, --format FORMAT, -o FILE, --fail-on SEVERITY', 'as for inspect']],
		examples: ['merge part1.json part2.json --json -o whole.json'],
	},
	mcp: {
		forms: ['mcp [--root DIR]'],
		about: [
			'Serves inspect and compare to assistants over standard input and output (Model Context Protocol). Reads models below DIR only (default: the working directory).',
		],
		options: [],
		examples: ['mcp --root models/'],
	},
} as const satisfies Readonly<Record<string, CommandHelp>>;

export type Command = keyof typeof HELP;

/** All commands, in the order of the help. */
export const COMMANDS = Object.keys(HELP) as readonly Command[];

/** Width of the column of options. */
const FLAGS = 22;

const STATUS =
	'Exit status: 0 if all is well. 1 for a finding at or above --fail-on, for a layer that repair could not repair, and for a layer that reestimate kept or that does not fit its data. 2 if the command failed, or if its result could not be judged.';

/** Returns the help of a command: forms, meaning, options and examples, for `width` columns. */
export function usageOf(command: Command, width: number): string {
	const { forms, about, options, remarks = [], examples }: CommandHelp = HELP[command];
	return [
		forms
			.map((form, i) => wrap(form, width, ' '.repeat(10), `${i === 0 ? 'Usage:' : '      '} batchnorm-lens `))
			.join('\n'),
		...about.map((text) => wrap(text, width)),
		options.map(([flags, meaning]) => option(flags, meaning, width)).join('\n'),
		...remarks.map((text) => wrap(text, width)),
		[`Example${examples.length === 1 ? '' : 's'}:`, ...examples.map((line) => `  batchnorm-lens ${line}`)].join('\n'),
		wrap(STATUS, width),
		'',
	].join('\n\n');
}

/** Puts the meaning beside the flags, or below flags that are too long. */
function option(flags: string, meaning: string, width: number): string {
	const indent = ' '.repeat(FLAGS);
	return flags.length + 4 <= FLAGS
		? wrap(meaning, width, indent, `  ${flags}`.padEnd(FLAGS))
		: `${wrap(flags, width, '  ', '  ')}\n${wrap(meaning, width, indent)}`;
}

/** Returns the list of commands, for `width` columns. */
export function usage(width: number): string {
	const commands = COMMANDS.map((command) => {
		const { forms, about }: CommandHelp = HELP[command];
		const [first = ''] = about;
		const sentence = /^.*?[.:](?= |$)/.exec(first)?.[0] ?? first;
		return [...forms.map((form) => `  ${form}`), wrap(sentence.replace(/:$/, '.'), width, '      ')].join('\n');
	});
	return [
		'Usage: batchnorm-lens COMMAND …',
		...commands,
		wrap(
			'batchnorm-lens COMMAND --help shows its options with an example; batchnorm-lens version prints the version.',
			width,
		),
		wrap(STATUS, width),
		'',
	].join('\n\n');
}
