import type { Plotly } from '../view/index.js';

let loading: Promise<Plotly> | undefined;

/**
 * Loads plotly.js from the file beside this module, once for all outputs. Restores the global that plotly.js overwrites,
 * because other renderers share the frame and may use their own plotly.
 */
export function loadPlotly(): Promise<Plotly> {
	loading ??= load().catch((error: unknown) => {
		loading = undefined;
		throw error;
	});
	return loading;
}

async function load(): Promise<Plotly> {
	const scope = window as unknown as Record<string, unknown>;
	const before = { Plotly: scope.Plotly, moduleName: scope.moduleName };
	try {
		await import(new URL('./plotly.min.js', import.meta.url).href);
		const loaded = scope.Plotly;
		if (!loaded || loaded === before.Plotly) {
			throw new Error('the plotting library did not start');
		}
		return loaded as Plotly;
	} finally {
		for (const [name, value] of Object.entries(before)) {
			if (value === undefined) {
				delete scope[name];
			} else {
				scope[name] = value;
			}
		}
	}
}
