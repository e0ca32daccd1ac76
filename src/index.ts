/** The engine's door: everything that protocol and node may use of `src`. */
export { type CID, parseCid, shortId } from './canonical.ts'
