// An engine process that also prints the most memory it ever had: `peak <kilobytes>`, with its result.
const { readFileSync } = require('node:fs');
const path = require('node:path');

/** Linux counts what the parent had when it forked into a child's maxRSS; the high-water mark begins at zero. */
function peak() {
	return process.platform === 'linux'
		? Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
		: process.resourceUsage().maxRSS;
}

const send = process.send;
process.send = (message, ...rest) => {
	if (message.type === 'result') {
		process.stderr.write(`peak ${peak()}\n`);
	}
	return send.call(process, message, ...rest);
};
require(path.resolve('dist', 'engine', 'main.js'));
