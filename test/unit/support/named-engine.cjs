// An engine process that first says who it is: `pid <id>`, in the log.
process.stderr.write(`pid ${process.pid}\n`);
require(require('node:path').resolve('dist', 'engine', 'main.js'));
