// A parent of the engine that can be killed: node parent.cjs MODEL TEMPORARY. Prints the engine's id and what it is told.
const { fork } = require('node:child_process');
const path = require('node:path');

const [model, temporary] = process.argv.slice(2);
const child = fork(path.resolve('dist', 'engine', 'main.js'), [], { serialization: 'advanced' });
console.log(`pid ${child.pid}`);
child.on('message', ({ type, stage }) => {
	console.log(stage ?? type);
	if (type === 'result' || type === 'failure') {
		process.exit();
	}
});
const options = { run: true, inputs: [], batch: 1, seed: 0, temporary };
child.send({ type: 'inspect', id: 1, model: { path: model }, options });
