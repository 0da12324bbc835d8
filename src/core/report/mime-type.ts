/** The MIME type of notebook outputs that hold a payload (payload.ts). */
export const MIME_TYPE = 'application/vnd.batchnorm-lens.v1+json';
