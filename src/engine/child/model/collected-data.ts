import { OnnxError } from '../../../core/onnx/errors.js';
import { type ExternalTensor, externalTensors } from '../../../core/onnx/graph/external-tensors.js';
import type { ExternalRange } from '../../../core/onnx/model.js';
import { type Edit, replaceMessage } from '../../../core/onnx/write/edit.js';
import { type Relocate, relocateTensors } from '../../../core/onnx/write/relocate.js';
import type { OpenedModel } from './opened-model.js';

/** Alignment of each range in bytes, so that a mapped file has aligned elements of every type. */
const ALIGNMENT = 64;

/** Bytes per read. */
const CHUNK = 2 ** 20;

/** External data of an edited model, packed into a file. */
export interface CollectedData {
	/** The edits, with all references to the new file. */
	readonly edits: readonly Edit[];
	/** The file's content in chunks; undefined without external data. */
	readonly content: AsyncIterable<Uint8Array> | undefined;
}

/** A range with its place in the new file, in bytes. */
interface Place {
	readonly range: ExternalRange;
	readonly bytes: number;
	readonly offset: number;
}

/**
 * Packs the external data of an edited model, so that no location of the model decides where a file is written.
 * @param location name of the new file in the edited model
 * @throws {OnnxError} `external-data` for an offset or a length that is no number of bytes
 */
export async function collectExternalData(
	file: OpenedModel,
	edits: readonly Edit[],
	location: string,
): Promise<CollectedData> {
	const editAround = editFinder(edits);
	const kept = externalTensors(file.model)
		.map((tensor) => ({ tensor, edit: editAround(tensor) }))
		.filter(({ tensor, edit }) => !edit || (edit.kind === 'replace' && edit.at.offset !== tensor.record.span.offset));
	const places = placesOf(kept.map(({ tensor }) => tensor));
	const relocate: Relocate = (range) => {
		const place = places.get(keyOf(range));
		return place && { location, offset: place.offset };
	};
	const moves: Edit[] = [];
	const changed = new Map<Edit, Edit>();
	for (const { tensor, edit } of kept) {
		if (edit) {
			changed.set(edit, { ...edit, message: [relocateTensors(Buffer.concat(edit.message), 'node', relocate)] });
		} else {
			const { span } = tensor.record;
			// A copy, because the next read may overwrite the source's view.
			const message = (await file.source.read(span.offset, span.length)).slice();
			moves.push(replaceMessage(tensor.record, [relocateTensors(message, 'tensor', relocate)]));
		}
	}
	return {
		edits: [...edits.map((edit) => changed.get(edit) ?? edit), ...moves],
		content: places.size === 0 ? undefined : contentOf(file, [...places.values()]),
	};
}

/** Returns a function that finds the edit of a tensor, or of the node that holds it. */
function editFinder(edits: readonly Edit[]): (tensor: ExternalTensor) => Edit | undefined {
	const changes = edits
		.filter(({ kind }) => kind === 'replace' || kind === 'remove')
		.sort((a, b) => a.at.offset - b.at.offset);
	return ({ record: { span } }) => {
		let [low, high] = [0, changes.length];
		while (low < high) {
			const middle = (low + high) >> 1;
			[low, high] = changes[middle].at.offset <= span.offset ? [middle + 1, high] : [low, middle];
		}
		// Edits do not overlap, so only the last that begins before the tensor can contain it.
		const edit = changes[low - 1];
		return edit && edit.at.offset + edit.at.length >= span.offset + span.length ? edit : undefined;
	};
}

/** Returns a common place for all tensors of a range. Without a stated length, the longest tensor counts. */
function placesOf(tensors: readonly ExternalTensor[]): ReadonlyMap<string, Place> {
	const longest = new Map<string, ExternalTensor>();
	for (const tensor of tensors) {
		const { range, bytes, record } = tensor;
		if (![range.offset, bytes, range.offset + bytes].every((value) => Number.isSafeInteger(value) && value >= 0)) {
			const found = `${range.offset} and the length ${bytes}`;
			throw new OnnxError('external-data', `Tensor "${record.name}" has the external data offset ${found}.`);
		}
		const key = keyOf(range);
		if (bytes >= (longest.get(key)?.bytes ?? 0)) {
			longest.set(key, tensor);
		}
	}
	const places = new Map<string, Place>();
	let end = 0;
	for (const [key, { range, bytes }] of longest) {
		const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
		places.set(key, { range, bytes, offset });
		end = offset + bytes;
	}
	return places;
}

function keyOf({ location, offset, length }: ExternalRange): string {
	return `${offset} ${length ?? 'rest'} ${location}`;
}

async function* contentOf({ access }: OpenedModel, places: readonly Place[]): AsyncGenerator<Uint8Array> {
	let written = 0;
	for (const { range, bytes, offset } of places) {
		yield new Uint8Array(offset - written);
		written = offset + bytes;
		const source = await access.external?.open(range.location);
		if (!source) {
			throw new OnnxError('external-data', `The external data "${range.location}" cannot be reached from here.`);
		}
		for (let at = 0; at < bytes; at += CHUNK) {
			yield await source.read(range.offset + at, Math.min(CHUNK, bytes - at));
		}
	}
}
