import { OnnxError, type OnnxErrorCode } from '../errors.js';
import type { Limits } from '../limits.js';

/** Maximum number of warnings kept: enough to show a pattern. */
const WARNINGS = 20;

/** Counters and warnings of a single reading of a model. */
export class ReadSession {
	/** Defects of the model that did not prevent reading it. */
	readonly warnings: string[] = [];
	/** Offset of the current field. */
	offset = 0;
	#nodes = 0;
	#records = 0;
	readonly limits: Limits;
	readonly #name: string;

	constructor(name: string, limits: Limits) {
		this.#name = name;
		this.limits = limits;
	}

	countNode(): void {
		this.#nodes++;
		if (this.#nodes > this.limits.nodes) {
			this.require('nodes', 'the number of nodes', this.#nodes);
		}
	}

	countRecords(count: number): void {
		this.#records += count;
		// Called for every name: the check's name is for the error.
		if (this.#records > this.limits.records) {
			this.require('records', 'the number of records', this.#records);
		}
	}

	/** @throws {OnnxError} `limit` when `value` exceeds the named limit */
	require(limit: keyof Limits, what: string, value: number): void {
		if (value > this.limits[limit]) {
			throw this.error('limit', `${what} is ${value}, more than the limit of ${this.limits[limit]} (${limit})`);
		}
	}

	warn(text: string): void {
		if (this.warnings.length < WARNINGS) {
			this.warnings.push(text);
		} else if (this.warnings.length === WARNINGS) {
			this.warnings.push('More of the same follow.');
		}
	}

	error(code: OnnxErrorCode, what: string): OnnxError {
		return new OnnxError(code, `${this.#name} cannot be read: at byte ${this.offset}, ${what}.`, this.offset);
	}
}
