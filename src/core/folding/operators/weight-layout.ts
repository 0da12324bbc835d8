import { product } from '../../numbers/arrays.js';
import { alongAxis, alongGroupedAxis, type ChannelLayout } from './layout.js';
import type { LinearOperator } from './linear.js';

/** The tensor that a constant is broadcast against. */
export interface BroadcastPartner {
	/** Number of dimensions behind the channel axis; "any" if unknown. */
	readonly behind: number | 'any';
	/** Dimensions in all, where that is known. */
	readonly rank?: number;
}

/** Returns the layout of a weight; undefined if the dims do not fit the operator. */
export function weightLayout(
	{ kind, transB, group }: Pick<LinearOperator, 'kind' | 'transB' | 'group'>,
	dims: readonly number[],
): ChannelLayout | undefined {
	const isConvolution = kind === 'Conv' || kind === 'ConvTranspose';
	if (dims.length < (isConvolution ? 3 : 2) || dims.some((dim) => dim <= 0) || (kind === 'Gemm' && dims.length > 2)) {
		return undefined;
	}
	if (kind === 'ConvTranspose') {
		return dims[0] % group === 0 ? alongGroupedAxis(dims, group) : undefined;
	}
	if (kind === 'Conv') {
		return dims[0] % group === 0 ? alongAxis(dims, 0) : undefined;
	}
	return alongAxis(dims, transB ? 0 : dims.length - 1);
}

/** True if a shape holds a value per channel, along the channel axis, or a single value, and adds no dimension. */
export function isPerChannel(
	dims: readonly number[],
	channels: number,
	{ behind, rank = dims.length }: BroadcastPartner = { behind: 0 },
): boolean {
	const count = product(dims);
	const isAlong = behind === 'any' ? dims.includes(channels) : dims[dims.length - 1 - behind] === channels;
	return dims.length <= rank && (count === 1 || (count === channels && isAlong));
}
