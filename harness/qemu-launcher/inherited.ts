/** A descriptor for execa's `stdio`, which takes any number while its types know the first ten. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type is narrower than what execa documents
export const inherited = (fd: number): 3 => fd as 3;
