// An engine process that also prints the most memory it ever had: `peak <kilobytes>`, with its result.
const send = process.send;
process.send = (message, ...rest) => {
	if (message.type === 'result') {
		process.stderr.write(`peak ${process.resourceUsage().maxRSS}\n`);
	}
	return send.call(process, message, ...rest);
};
require(require('node:path').resolve('dist', 'engine', 'main.js'));
