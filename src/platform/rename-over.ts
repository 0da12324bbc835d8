import { rename } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

/** Codes of Windows for a file that another program has open, for example an editor or a virus scanner. */
const LOCKED = new Set(['EBUSY', 'EPERM', 'EACCES']);
/** Maximum attempts on Windows. Pauses of 10, 20, 40 … ms between them add up to 1.3 s. */
const MAX_ATTEMPTS = 8;

/** The system, for tests. */
export interface RenameSystem {
	readonly platform: NodeJS.Platform;
	readonly rename: (from: string, to: string) => Promise<void>;
	/** @param milliseconds pause */
	readonly pause: (milliseconds: number) => Promise<unknown>;
}

const SYSTEM: RenameSystem = { platform: process.platform, rename, pause: setTimeout };

/**
 * Renames a file over another. Windows refuses this while a program has the other file open, so it is tried again there for about
 * a second. @throws the error of the last attempt
 */
export async function renameOver(from: string, to: string, system: RenameSystem = SYSTEM): Promise<void> {
	const { platform, pause } = system;
	for (let attempt = 1; ; attempt++) {
		try {
			await system.rename(from, to);
			return;
		} catch (error) {
			const isLocked = error instanceof Error && 'code' in error && LOCKED.has(String(error.code));
			if (platform !== 'win32' || !isLocked || attempt === MAX_ATTEMPTS) {
				throw error;
			}
			await pause(5 * 2 ** attempt);
		}
	}
}
