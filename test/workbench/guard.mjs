// Preloaded into VS Code's server: ends it and its children when the process that started it is gone, however that
// ended. The pipe on stdin closes with its other end, even after SIGKILL.
import path from 'node:path';

// The extension hosts that the server forks inherit this preload; they end with the group.
if (path.basename(process.argv[1] ?? '') === 'server-main.js') {
	process.stdin.resume().on('close', () => {
		if (process.platform !== 'win32') {
			process.kill(-process.pid, 'SIGKILL');
		}
		process.exit();
	});
}
