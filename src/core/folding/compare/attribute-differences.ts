import type { Attribute, Node } from '../../onnx/model.js';

/** Attributes of linear operators that change their output, with their default. */
const ATTRIBUTES: Readonly<Record<string, number>> = {
	pads: 0,
	strides: 1,
	dilations: 1,
	output_padding: 0,
	group: 1,
	alpha: 1,
	beta: 1,
	transA: 0,
};

/** Returns phrases for attributes in which two operators of the same type differ: "pads 0 instead of 1, 1, 1, 1". */
export function attributeDifferences(original: Node, deployed: Node): string[] {
	if (original.opType !== deployed.opType) {
		return [];
	}
	return Object.entries(ATTRIBUTES).flatMap(([name, byDefault]) => {
		const [a, b] = [original, deployed].map((node) => valuesOf(node.attributes.get(name)));
		const length = Math.max(a.length, b.length, 1);
		const fill = (values: readonly number[]) =>
			values.length > 0 ? values : new Array<number>(length).fill(byDefault);
		const [before, after] = [fill(a).join(', '), fill(b).join(', ')];
		return before === after ? [] : [`${name} ${after} instead of ${before}`];
	});
}

function valuesOf(attribute: Attribute | undefined): readonly number[] {
	const { ints, i, f } = attribute ?? {};
	return ints ?? (i !== undefined ? [i] : f !== undefined ? [f] : []);
}
