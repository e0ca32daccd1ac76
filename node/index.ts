/**
 * The node's door: a node in another program. It does what the verbs do.
 *
 * @example
 * import { createNode, publish, readConfig } from 'deltaswarm/node'
 *
 * await using node = await createNode(readConfig({ home: './node-a' }), { online: 'now' })
 * const options = { signal: AbortSignal.timeout(600_000), onProgress: console.log }
 * const { id } = await publish(
 *   node,
 *   {
 *     post: './math',
 *     base: './base',
 *     name: 'math',
 *     codec: { codec: 'raw', parameters: {} },
 *     edits: [],
 *     licence: 'Apache-2.0',
 *   },
 *   options,
 * )
 * console.log(id.toString())
 */
export type { Listed } from './announced.ts'
export { viewSuite, type View } from './board.ts'
export { type Config, type ConfigFlags, configDefaults, readConfig } from './config.ts'
export { type Daemon, startDaemon } from './daemon.ts'
export type { JobOptions, JobProgress } from './job-options.ts'
export type { Library } from './library.ts'
export type { Network, PeerView } from './network/network.ts'
export { createNode, type NodeInit, type SwarmNode } from './node.ts'
export { addData, type AddDataRequest } from './roles/curator.ts'
export { measure, type MeasureRequest, type Measured } from './roles/evaluator.ts'
export { exportFolder, type Exported } from './roles/exporter.ts'
export { edit, type Edited, type VariantRequest } from './roles/editor.ts'
export { publish, publishRecipe, type Published, type PublishRequest } from './roles/publisher.ts'
export { propose, type ProposeRequest } from './roles/searcher.ts'
