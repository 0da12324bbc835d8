import type { Dimension, Node } from '../onnx/model.js';
import { resolveAxes } from './normalized-axes.js';
import { MAX_WRAPPERS } from './pattern.js';
import { type Mean, type Reduction, ReductionPattern, sameAxes } from './reduction-pattern.js';
import { axesLeft, isAligned, type Layout, reshaped, squeezed, unsqueezed } from './statistics-layout.js';
import { dimensionOf, type FlatView, viewedAxes } from './view-pattern.js';

const RESHAPES: ReadonlySet<string> = new Set(['Unsqueeze', 'Squeeze', 'Reshape']);

/** Recognizes means behind operators that move their dimensions, if their shapes broadcast against the tensor's. */
export class MeanPattern extends ReductionPattern {
	/**
	 * Returns tensor and axes of a mean whose shape broadcasts against the tensor's.
	 * @param behind operators behind `name` that move its dimensions, in their order
	 * @param until tensor whose mean is wanted, even if the tensor is a mean itself. For a mean of its flattened view, the
	 * axes are those of this tensor
	 */
	async mean(name: string, behind: readonly Node[] = [], until?: string): Promise<Mean | undefined> {
		const { name: inner, reshapes } = this.behindReshapes(name, behind);
		const reduction = await this.reduction(inner, until);
		if (!reduction) {
			return undefined;
		}
		const { keepsAxes, ...found } = reduction;
		const { of, axes } = found;
		const view = until === undefined ? undefined : await this.#viewBehind(of, until);
		if (view) {
			return this.#meanOfView(reduction, view, reshapes);
		}
		const shape = this.context.shapes.of(this.scope, of).shape;
		const reduced = shape && resolveAxes(axes, shape.length);
		const mean = axes !== null && reduced ? { ...found, axes: reduced } : found;
		if (reshapes.length === 0 && (keepsAxes || axes === null)) {
			return mean;
		}
		const layout = reduced
			? await this.#layoutBehind(reshapes, axesLeft(reduced, shape.length, keepsAxes), until ?? of)
			: await this.#layoutOfLeadingAxes(reshapes, keepsAxes ? null : axes);
		return layout && isAligned(layout, shape?.length ?? layout.length) ? mean : undefined;
	}

	/** Returns the view of a tensor that a mean is of, also for the squares of the view, or of its differences. */
	async #viewBehind(of: string, until: string): Promise<FlatView | undefined> {
		for (const name of [of, ...this.operands(of)]) {
			const view = this.source(name) === until ? undefined : await this.flatView(name);
			if (view?.of === until) {
				return view;
			}
		}
		return undefined;
	}

	async #meanOfView(
		{ keepsAxes, ...found }: Reduction,
		{ of, groups }: FlatView,
		reshapes: readonly Node[],
	): Promise<Mean | undefined> {
		const shape = this.context.shapes.of(this.scope, of).shape ?? [];
		const reduced = resolveAxes(found.axes, groups.length) ?? [];
		const isSingle = groups.every((group, at) => reduced.includes(at) || group.length <= 1);
		const from = groups.flatMap((group, at) => (reduced.includes(at) ? (keepsAxes ? [null] : []) : [group[0] ?? null]));
		const layout = isSingle ? await this.#layoutBehind(reshapes, from, of) : undefined;
		const axes = viewedAxes(groups, reduced);
		return layout && isAligned(layout, shape.length) ? { ...found, axes } : undefined;
	}

	/** Follows operators that move dimensions back to the tensor in front of them; in front of these are `behind`. */
	behindReshapes(name: string, behind: readonly Node[] = []): { readonly name: string; readonly reshapes: Node[] } {
		const reshapes = [...behind];
		let at = name;
		for (let step = 0; step < MAX_WRAPPERS; step++) {
			const node = this.writer(at);
			if (node?.domain !== '' || !(RESHAPES.has(node.opType) || this.#isExpanded(node))) {
				break;
			}
			// An expanded mean has the value of the mean everywhere.
			if (node.opType !== 'Expand') {
				reshapes.unshift(node);
			}
			at = node.inputs[0] ?? '';
		}
		return { name: at, reshapes };
	}

	/** True for an Expand to the shape of another tensor. */
	#isExpanded(node: Node): boolean {
		return this.isOp(node, 'Expand') && this.isOp(this.writer(node.inputs[1] ?? ''), 'Shape');
	}

	/**
	 * Returns the axis of x that each dimension of a mean stands for, behind operators that move its dimensions.
	 * @param x name of the tensor
	 */
	async #layoutBehind(reshapes: readonly Node[], from: Layout, x: string): Promise<Layout | undefined> {
		let layout: Layout | undefined = from;
		for (const node of reshapes) {
			if (this.isOp(node, 'Reshape')) {
				const target = await this.#target(node, x);
				layout = layout && target && reshaped(layout, target, (await this.shapeOf(x)) ?? []);
				continue;
			}
			const axes: readonly number[] | undefined = await this.integers(node, 'axes');
			layout = layout && axes && (this.isOp(node, 'Squeeze') ? squeezed(layout, axes) : unsqueezed(layout, axes));
		}
		return layout;
	}

	/** Returns the target of a Reshape: numbers, or dimensions of x. */
	async #target(node: Node, x: string): Promise<readonly Dimension[] | undefined> {
		const stated = await this.integers(node, 'shape');
		const sizes = stated ? undefined : await this.sizes(node.inputs[1] ?? '', x);
		const shape = await this.shapeOf(x);
		return stated ?? sizes?.map((size) => dimensionOf(size, shape));
	}

	/** Returns the layout of a mean of unknown rank, if the mean is over its first axes, or they are added again. */
	async #layoutOfLeadingAxes(reshapes: readonly Node[], axes: readonly number[] | null): Promise<Layout | undefined> {
		const [node, ...others] = reshapes;
		if (node === undefined) {
			return axes?.toSorted().every((axis, at) => axis === at) ? [] : undefined;
		}
		const added = this.isOp(node, 'Unsqueeze') && others.length === 0 ? await this.integers(node, 'axes') : null;
		return added && axes && sameAxes(added, axes) ? [] : undefined;
	}
}
