import { InputError } from '../tensors/errors.js';
import { convert } from '../tensors/numbers.js';
import type { RuntimeValue, Tensors } from '../tensors/tensor.js';

/**
 * Returns the original's feeds for the deployed model: matched by name, else by position, and converted to its types.
 * @param inputs of the deployed model
 * @param feeds of the original, in the order of its inputs
 * @throws {InputError} if the models take different inputs
 */
export function feedsFor(inputs: readonly RuntimeValue[], feeds: Tensors): Tensors {
	const given = [...feeds];
	if (inputs.length !== given.length) {
		throw new InputError(`The models take different inputs: ${given.length} and ${inputs.length} of them.`);
	}
	const hasSameNames = inputs.every(({ name }) => feeds.has(name));
	return new Map(
		inputs.map(({ name, type }, i) => {
			const tensor = hasSameNames ? feeds.get(name) : given[i]?.[1];
			if (!tensor) {
				throw new InputError(`The models take different inputs: nothing fits "${name}".`);
			}
			return [name, convert(tensor, type, `Input "${name}"`)];
		}),
	);
}
