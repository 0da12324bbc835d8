import { MergeError } from '../core/inspection/merge-reports.js';
import { visible } from '../core/text/names.js';
import { messageOf } from '../core/text/sentences.js';
import { EngineError } from '../engine/client.js';
import { WriteError } from '../platform/write-error.js';
import { writeReason } from '../platform/write-reason.js';
import { BaselineError } from './baseline.js';
import { checkCommand } from './commands/check.js';
import { compareCommand } from './commands/compare.js';
import { foldCommand } from './commands/fold.js';
import { inspectCommand } from './commands/inspect.js';
import { mcpCommand } from './commands/mcp.js';
import { mergeCommand } from './commands/merge.js';
import { reestimateCommand } from './commands/reestimate.js';
import { repairCommand } from './commands/repair.js';
import { EXIT_FAILED } from './exit.js';
import { InterruptedError } from './interrupt.js';
import { ownVersion } from './output.js';
import { widthOf } from './render/text.js';
import { COMMANDS, UsageError, usage, usageOf } from './usage.js';

async function main(argv: readonly string[]): Promise<number> {
	const [command, ...rest] = argv;
	const width = widthOf(process.stdout);
	const asked = command === 'help' ? rest[0] : command;
	if (command === 'help' || rest.includes('--help') || rest.includes('-h')) {
		const known = COMMANDS.find((name) => name === asked);
		if (known === undefined && asked !== undefined && !asked.startsWith('-')) {
			throw new UsageError(`There is no command "${asked}".`);
		}
		process.stdout.write(known ? usageOf(known, width) : usage(width));
		return 0;
	}
	switch (command) {
		case 'inspect':
			return inspectCommand(rest);
		case 'compare':
			return compareCommand(rest);
		case 'check':
			return checkCommand(rest);
		case 'fold':
			return foldCommand(rest);
		case 'repair':
			return repairCommand(rest);
		case 'reestimate':
			return reestimateCommand(rest);
		case 'merge':
			return mergeCommand(rest);
		case 'mcp':
			return mcpCommand(rest);
		case undefined:
		case '--help':
		case '-h':
			process.stdout.write(usage(width));
			return command === undefined ? EXIT_FAILED : 0;
		case 'version':
		case '--version':
			process.stdout.write(`${await ownVersion()}\n`);
			return 0;
		default:
			throw new UsageError(`There is no command "${command}".`);
	}
}

/** Returns the arguments that print the help of a command, or of all commands. */
function helpFor(command: string | undefined): string {
	return COMMANDS.some((name) => name === command) ? `${command} --help` : 'help';
}

main(process.argv.slice(2)).then(
	(code) => {
		process.exitCode = code;
	},
	(error: unknown) => {
		const message = messageOf(error);
		const hint =
			error instanceof UsageError ? ` Run "batchnorm-lens ${helpFor(process.argv[2])}" to see the options.` : '';
		const ours = [EngineError, UsageError, WriteError, MergeError, BaselineError, InterruptedError].some(
			(kind) => error instanceof kind,
		);
		const internal = ours ? '' : 'batchnorm-lens failed: ';
		process.stderr.write(`${visible(`${internal}${message}${hint}`)}\n`);
		process.exitCode = error instanceof InterruptedError ? error.exitCode : EXIT_FAILED;
	},
);

// A reader that stops early (`| head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
	if (error.code === 'EPIPE') {
		process.exit(0);
	}
	process.stderr.write(`Standard output cannot be written: ${writeReason('', error)}.\n`);
	process.exit(EXIT_FAILED);
});
