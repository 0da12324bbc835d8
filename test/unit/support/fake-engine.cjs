// Stands in for the engine's child process: what it does is spelled by the model's file name, for example "signal SIGSEGV.onnx".
const { basename } = require('node:path');

const report = (id) => ({
	type: 'result',
	id,
	result: { layers: [{ gamma: Float64Array.of(1, Number.NaN) }], pid: process.pid, isWarm },
});

const behaviours = {
	answer: (id) => process.send(report(id)),
	stages: (id) => {
		process.send({ type: 'progress', id, stage: 'loading', done: 0, total: 1 });
		process.send({ type: 'run', id, run: { status: 'ok' } });
		process.send(report(id));
	},
	environment: (id) => {
		const { NODE_OPTIONS, ELECTRON_RUN_AS_NODE, ELECTRON_NO_ASAR, ORT_DISABLE_TELEMETRY } = process.env;
		const env = { NODE_OPTIONS, ELECTRON_RUN_AS_NODE, ELECTRON_NO_ASAR, ORT_DISABLE_TELEMETRY };
		const { MALLOC_TRIM_THRESHOLD_: trimThreshold } = process.env;
		process.send({ type: 'result', id, result: { env, execArgv: process.execArgv, trimThreshold } });
	},
	refuse: (id, code) => process.send({ type: 'failure', id, failure: { code, message: 'It is refused.' } }),
	exit: (_id, code) => process.exit(Number(code)),
	signal: (_id, name) => process.kill(process.pid, name),
	garbage: (id) => {
		for (const value of [null, 'result', 7, [], { type: 'result' }, { type: 'result', id }, { type: 'odd', id }]) {
			process.send(value);
		}
		process.send({ type: 'failure', id });
		process.send(report(id + 1000));
		process.send(report(id));
	},
	twice: (id) => {
		process.send(report(id));
		process.send({ type: 'failure', id, failure: { code: 'input', message: 'Too late.' } });
	},
	print: (id) =>
		process.stderr.write('first line\nsecond line\n', () => setTimeout(() => process.send(report(id)), 50)),
	mute: () => {
		process.removeAllListeners('disconnect');
		process.disconnect();
		setInterval(() => {}, 1000);
	},
	hang: (id) => {
		process.send({ type: 'progress', id, stage: 'running', done: process.pid, total: 1 });
		for (;;) {
			// Like a native run(): neither messages nor timers are served.
		}
	},
};

process.on('disconnect', () => process.exit());
let isWarm = false;

process.on('message', ({ type, id, model, original }) => {
	if (type === 'warm-up') {
		isWarm = true;
		return;
	}
	const [name, argument] = basename((model ?? original).path, '.onnx').split(' ');
	behaviours[name](id, argument);
});
