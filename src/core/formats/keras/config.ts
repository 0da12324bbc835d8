import type { Setting } from '../checkpoint.js';
import { asList, asObject, asText, type Json, type JsonObject } from './json.js';

/** A layer or model as the configuration describes it. */
export interface ConfigNode {
	/** Names of the models around it and its own, for example "backbone/bn1"; '' for the outermost model. */
	readonly path: string;
	/** Name inside of its model. */
	readonly name: string;
	/** Class without its package, for example "BatchNormalization". */
	readonly className: string;
	readonly settings: ReadonlyMap<string, Setting>;
	readonly parent: ConfigNode | undefined;
	/** Index among the parent's children. */
	readonly position: number;
	readonly kind: 'functional' | 'sequential' | 'wrapper' | 'layer';
	/** Layers of a model in the order of execution, or the layer inside of a wrapper. */
	readonly children: readonly ConfigNode[];
	/** Children by name. */
	readonly byName: ReadonlyMap<string, ConfigNode>;
	/** Names of the layers that feed it, by call: the data come first. Empty for children of a Sequential. */
	readonly calls: readonly (readonly string[])[];
	/** Names of a functional model's last layers. */
	readonly outputs: readonly string[];
}

/** Settings of normalizations and of the operators around them. */
const SETTINGS = new Set([
	...['axis', 'momentum', 'epsilon', 'center', 'scale', 'renorm', 'synchronized', 'trainable'],
	...['filters', 'units', 'kernel_size', 'strides', 'padding', 'dilation_rate', 'groups', 'depth_multiplier'],
	...['activation', 'use_bias', 'data_format', 'output_padding'],
]);

/** Maximum length of a list that is kept as a setting. */
const MAX_SETTING_LENGTH = 8;

const MAX_SETTING_TEXT = 100;

/** Maximum number of calls of a layer. A layer that a model shares is called a few times. */
const MAX_CALLS = 100;

/** Keys under which a wrapper keeps its layer. */
const WRAPPED = ['layer', 'forward_layer'];

/**
 * Reads the configuration of a model: Keras 1 to 3, Functional and Sequential.
 * @returns undefined if it describes no layers, as a subclassed model's does not
 */
export function readConfig(json: Json): ConfigNode | undefined {
	const root = asObject(json);
	const node = root && readNode(root, undefined, 0);
	return node?.kind === 'functional' || node?.kind === 'sequential' ? node : undefined;
}

function readNode(json: JsonObject, parent: ConfigNode | undefined, position: number): ConfigNode {
	const config = asObject(json.config) ?? {};
	const name = asText(config.name) ?? asText(json.name) ?? '';
	// The first Keras versions store a Sequential's layers as its configuration.
	const layers = asList(config.layers) ?? asList(json.config);
	const wrapped = WRAPPED.map((key) => asObject(config[key])).find((inner) => asText(inner?.class_name) !== undefined);
	const calls = callsOf(json.inbound_nodes);
	const isFunctional = layers?.some((layer) => asObject(layer)?.inbound_nodes !== undefined);
	const children: ConfigNode[] = [];
	const byName = new Map<string, ConfigNode>();
	const node: ConfigNode = {
		path: parent === undefined ? '' : parent.path === '' ? name : `${parent.path}/${name}`,
		name,
		className: classNameOf(json),
		settings: settingsOf(config),
		parent,
		position,
		kind: layers ? (isFunctional ? 'functional' : 'sequential') : wrapped ? 'wrapper' : 'layer',
		children,
		byName,
		calls,
		outputs: referencesIn(config.output_layers),
	};
	for (const item of layers ?? (wrapped ? [wrapped] : [])) {
		const layer = asObject(item);
		if (layer) {
			const child = readNode(layer, node, children.length);
			children.push(child);
			byName.set(asText(layer.name) ?? child.name, child);
		}
	}
	return node;
}

/** Returns the class without its package: "Custom>Block" is "Block". */
function classNameOf(json: JsonObject): string {
	return (asText(json.class_name) ?? '').replace(/^.*>/, '');
}

/** Returns the feeding layers of each call: Keras 3 objects, earlier lists. */
function callsOf(nodes: Json | undefined): readonly (readonly string[])[] {
	const calls = (asList(nodes) ?? []).slice(0, MAX_CALLS);
	return calls.map(referencesIn).filter((names) => names.length > 0);
}

/** Collects references [name of a layer, index of its call, index of its output] in any nesting, in order. */
function referencesIn(value: Json | undefined): readonly string[] {
	const found: string[] = [];
	const visit = (item: Json | undefined): void => {
		const list = asList(item);
		const [name, call, output] = list ?? [];
		if (typeof name === 'string' && typeof call === 'number' && typeof output === 'number') {
			found.push(name);
		} else {
			for (const child of list ?? Object.values(asObject(item) ?? {})) {
				visit(child);
			}
		}
	};
	visit(value);
	return found;
}

function settingsOf(config: JsonObject): ReadonlyMap<string, Setting> {
	const settings = new Map<string, Setting>();
	for (const [key, value] of Object.entries(config)) {
		const setting = SETTINGS.has(key) ? settingOf(value) : undefined;
		if (setting !== undefined) {
			settings.set(key, setting);
		}
	}
	return settings;
}

function settingOf(value: Json | undefined): Setting | undefined {
	if (typeof value === 'number' || typeof value === 'boolean') {
		return value;
	}
	if (typeof value === 'string') {
		return value.length <= MAX_SETTING_TEXT ? value : undefined;
	}
	const list = asList(value);
	if (list) {
		const numbers = list.flatMap((item) => (typeof item === 'number' ? [item] : []));
		return numbers.length === list.length && list.length <= MAX_SETTING_LENGTH ? numbers : undefined;
	}
	// An activation or a policy stored as an object.
	const object = asObject(value);
	return object && settingOf(asText(object.config) ?? asText(object.class_name));
}

/** Returns the layers without models and wrappers, in execution order. */
export function leavesOf(node: ConfigNode): readonly ConfigNode[] {
	return node.kind === 'layer' ? [node] : node.children.flatMap(leavesOf);
}
