// Preloaded into VS Code's server. Ends the server and its children when their parent is gone. The pipe on stdin closes
// even after SIGKILL.
import path from 'node:path';

// Extension hosts inherit this preload from the server. They end with its process group.
if (path.basename(process.argv[1] ?? '') === 'server-main.js') {
	process.stdin.resume().on('close', () => {
		if (process.platform !== 'win32') {
			process.kill(-process.pid, 'SIGKILL');
		}
		process.exit();
	});
}
