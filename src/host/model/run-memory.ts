import type { Memento } from 'vscode';
import { NO_PLAN, parseRunPlan, type RunPlan } from './run-plan.js';

const KEY = 'runPlans';
/** Models remembered in a workspace: the storage is read whole whenever the extension starts. */
const MAX_PLANS = 200;

/** The plans of a workspace's models, the one that was changed last at the end. */
export class RunMemory {
	readonly #storage: Pick<Memento, 'get' | 'update'>;

	constructor(storage: Pick<Memento, 'get' | 'update'>) {
		this.#storage = storage;
	}

	/** @param model its address. */
	get(model: string): RunPlan {
		const found = this.#entries().find(([name]) => name === model);
		return found ? parseRunPlan(found[1]) : NO_PLAN;
	}

	async set(model: string, plan: RunPlan): Promise<void> {
		const others = this.#entries().filter(([name]) => name !== model);
		await this.#storage.update(KEY, [...others, [model, plan]].slice(-MAX_PLANS));
	}

	/** Pairs of an address and a plan, as far as the storage holds what was once put there. */
	#entries(): readonly (readonly unknown[])[] {
		const stored = this.#storage.get<unknown>(KEY);
		return Array.isArray(stored) ? stored.filter(Array.isArray) : [];
	}
}
