/** MIME type of notebook outputs with a payload (payload.ts). */
export const MIME_TYPE = 'application/vnd.batchnorm-lens.v1+json';
