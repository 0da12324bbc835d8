/** Exit status of a failed command. CI relies on it. */
export const EXIT_FAILED = 2;
