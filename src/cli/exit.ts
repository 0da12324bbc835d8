/** Exit status of what could not be done: CI relies on it. */
export const EXIT_FAILED = 2;
