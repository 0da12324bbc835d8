import type { Memento } from 'vscode';
import { NO_PLAN, parseRunPlan, type RunPlan } from './run-plan.js';

const KEY = 'runPlans';
/** Maximum number of plans stored for a workspace. VS Code reads the whole storage when the extension starts. */
const MAX_PLANS = 200;

/** Run plans of a workspace's models. The last changed plan comes last. */
export class RunMemory {
	readonly #storage: Pick<Memento, 'get' | 'update'>;

	constructor(storage: Pick<Memento, 'get' | 'update'>) {
		this.#storage = storage;
	}

	/** @param model URI of the model. */
	get(model: string): RunPlan {
		const found = this.#entries().find(([name]) => name === model);
		return found ? parseRunPlan(found[1]) : NO_PLAN;
	}

	async set(model: string, plan: RunPlan): Promise<void> {
		const others = this.#entries().filter(([name]) => name !== model);
		await this.#storage.update(KEY, [...others, [model, plan]].slice(-MAX_PLANS));
	}

	/** Returns pairs of URI and plan. The stored plans are unchecked. */
	#entries(): readonly (readonly unknown[])[] {
		const stored = this.#storage.get<unknown>(KEY);
		return Array.isArray(stored) ? stored.filter(Array.isArray) : [];
	}
}
