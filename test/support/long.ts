/** `npm run test:all`: also what is too slow for each change. */
export const isLong = process.env.BOOTYARD_TEST_ALL !== undefined;
