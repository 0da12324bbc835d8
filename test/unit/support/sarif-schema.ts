import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import { root } from '../../workbench/paths.mjs';

/** OASIS's schema as schemastore.org serves it; it is written in draft 4, whose `id` newer drafts call `$id`. */
const {
	id: _id,
	$schema: _draft,
	...schema
} = JSON.parse(readFileSync(path.join(root, 'test', 'fixtures', 'sarif-2.1.0.schema.json'), 'utf8'));
const validate = new Ajv({
	strict: false,
	// One of its patterns is valid only without the flag "u".
	unicodeRegExp: false,
	formats: { uri: /^[a-z][a-z0-9+.-]*:/i, 'uri-reference': /^[^\s<>"{}|\\^`]*$/, 'date-time': true },
}).compile(schema);

/** Returns the violations of SARIF's schema in a document. */
export function sarifProblems(log: unknown): string[] {
	validate(log);
	return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
