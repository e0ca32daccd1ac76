import type { Region } from '../compute/kernels.ts'
import type { DeviceTensor } from '../compute/onnxruntime.ts'
import { sliceRegion } from '../compute/slice-region.ts'
import type { DeviceScope } from '../graphs/device-scope.ts'
import type { TensorSpec } from '../tensors/tensor.ts'
import { openStream, prepareOperator } from './delta-stream.ts'
import type { OperatorStep, PlanNode } from './plan-node.ts'
import type { TensorJob } from './tensor-job.ts'

/**
 * Whether a tensor's weights are worth making on a device: an operator there has a graph, and base and
 * result are F32. A score measures rounded weights, and no device rounds to BF16 or F16 as the kernels
 * do; the recipes of such bases are materialised on the CPU.
 */
export function runsOnDevice(node: PlanNode, base: TensorSpec, result: TensorSpec): boolean {
  return base.dtype === 'F32' && result.dtype === 'F32' && hasGraph(node)
}

function hasGraph(node: PlanNode): node is OperatorStep {
  return node.kind === 'operator' && node.operator.graph !== undefined
}

/** Base + delta in f32, resident. The caller releases it, and the job's lease. */
export async function weightsOnDevice(
  node: PlanNode,
  job: TensorJob,
  device: DeviceScope,
): Promise<DeviceTensor> {
  const base = await device.keep(job.plan.base, job.spec.name, () =>
    uploadStream(
      async (out, from, count) => {
        out.u8.set((await job.base(from, count)).u8.subarray(0, count * 4))
      },
      job,
      device,
    ),
  )
  const tensors = [base]
  try {
    tensors.push(await deltaOnDevice(node, job, device))
    return await device.compute(tensors, job.spec.shape, (emitter, names) =>
      emitter.node('Add', names),
    )
  } finally {
    await releaseAll(tensors)
  }
}

/**
 * A node's delta, resident. Leaves are decoded by the CPU, uploaded whole and kept; so is the result
 * of an operator without a graph, though not kept. Statistics and masks are the CPU's too.
 */
async function deltaOnDevice(
  node: PlanNode,
  job: TensorJob,
  device: DeviceScope,
): Promise<DeviceTensor> {
  if (node.kind === 'weights' || node.kind === 'delta') {
    const leaf = node.kind === 'weights' ? node.checkpoint : node.source
    return device.keep(leaf, `Δ ${job.spec.name}`, async () =>
      uploadStream(await openStream(node, job), job, device),
    )
  }
  if (!hasGraph(node)) return uploadStream(await openStream(node, job), job, device)
  const { inputs, context } = await prepareOperator(node, job)
  const graph = node.operator.graph!(context)
  if (graph === undefined) return uploadStream(await openStream(node, job), job, device)

  const tensors: DeviceTensor[] = []
  try {
    for (const input of node.inputs) tensors.push(await deltaOnDevice(input, job, device))
    for (const mask of graph.masks ?? []) {
      const fill = async (out: Region, from: number, count: number): Promise<void> => {
        await mask(await inputs.at(from, count), out, from, count)
      }
      tensors.push(await uploadStream(fill, job, device))
    }
    const count = node.inputs.length
    return await device.compute(tensors, job.spec.shape, (emitter, names) =>
      graph.emit(emitter, names.slice(0, count), names.slice(count)),
    )
  } finally {
    await releaseAll(tensors)
  }
}

/** Gathers a stream in one region, which is there for the upload only. */
async function uploadStream(
  stream: (out: Region, from: number, count: number) => Promise<void>,
  job: TensorJob,
  device: DeviceScope,
): Promise<DeviceTensor> {
  const { kernels } = job.plan.context
  const region = kernels.allocate(job.elements * 4)
  try {
    for (const { from, count } of job.parts()) {
      await stream(sliceRegion(region, from * 4, count * 4), from, count)
    }
    return await device.upload({ region, type: 'float32', dims: job.spec.shape })
  } finally {
    kernels.release(region)
  }
}

async function releaseAll(tensors: readonly DeviceTensor[]): Promise<void> {
  for (const tensor of tensors) await tensor.release()
}
