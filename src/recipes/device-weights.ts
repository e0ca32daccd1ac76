import type { Codec } from '../codecs/index.ts'
import { endAll } from '../compute/end-all.ts'
import type { Region } from '../compute/kernels.ts'
import type { DeviceTensor } from '../compute/onnxruntime.ts'
import { sliceRegion } from '../compute/slice-region.ts'
import type { DeviceScope } from '../graphs/device-scope.ts'
import { createDeviceProducts } from '../graphs/matrix-products.ts'
import type { TensorSpec } from '../tensors/tensor.ts'
import type { DeltaStep, OperatorStep, PlanNode } from './plan/plan-node.ts'
import type { PlanContext } from './plan/plan.ts'
import { openStream, prepareOperator } from './streams/delta-stream.ts'
import type { TensorJob } from './streams/tensor-job.ts'

/**
 * Whether a tensor's weights are worth making on a device: an operator or codec at its root has a graph
 * or multiplies matrices, and base and result are F32. A score measures rounded weights, and no device rounds to BF16 or F16
 * as the kernels do; the recipes of such bases are materialised on the CPU.
 */
export function runsOnDevice(
  node: PlanNode,
  base: TensorSpec,
  result: TensorSpec,
  { codecs }: PlanContext,
): boolean {
  if (base.dtype !== 'F32' || result.dtype !== 'F32') return false
  if (node.kind === 'operator') {
    return node.operator.graph !== undefined || node.operator.multiplies === true
  }
  return node.kind === 'delta' && codecOf(node, base.name, codecs).graph !== undefined
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
  return withTensors(async (tensors) => {
    tensors.push(base, await deltaOnDevice(node, job, device))
    return device.compute(tensors, job.spec.shape, (emitter, names) => emitter.node('Add', names))
  })
}

/** A node's delta, resident; a leaf's is kept. Statistics and masks are the CPU's. */
async function deltaOnDevice(
  node: PlanNode,
  job: TensorJob,
  device: DeviceScope,
): Promise<DeviceTensor> {
  const kept = `delta of ${job.spec.name}`
  switch (node.kind) {
    case 'zero':
      return uploadNode(node, job, device)
    case 'weights':
      return device.keep(node.checkpoint, kept, () => uploadNode(node, job, device))
    case 'delta':
      return device.keep(node.source, kept, () => decodeOnDevice(node, job, device))
    case 'operator':
      return operatorOnDevice(node, job, device)
  }
}

/** Takes a delta apart on the device where its codec can, and else uploads it whole. */
async function decodeOnDevice(
  node: DeltaStep,
  job: TensorJob,
  device: DeviceScope,
): Promise<DeviceTensor> {
  const { kernels, codecs } = job.plan.context
  const { name, shape } = job.spec
  const tensor = node.source.tensors.get(name)!
  const codec = codecOf(node, name, codecs)
  const graph = await codec.graph?.(tensor, node.source.sections(name), { kernels })
  if (graph === undefined) return uploadNode(node, job, device)
  return withTensors(async (tensors) => {
    for (const { elements, fill } of graph.planes) {
      const region = kernels.allocate(elements * 4)
      try {
        await fill(region)
        tensors.push(await device.upload({ region, type: 'float32', dims: [elements] }))
      } finally {
        kernels.release(region)
      }
    }
    return device.compute(tensors, shape, (emitter, planes) => graph.emit(emitter, planes))
  })
}

async function operatorOnDevice(
  node: OperatorStep,
  job: TensorJob,
  device: DeviceScope,
): Promise<DeviceTensor> {
  if (node.operator.graph === undefined) {
    return uploadNode(node, job, device)
  }
  const { inputs, context } = await prepareOperator(node, job)
  const graph = node.operator.graph(context)
  if (graph === undefined) return uploadNode(node, job, device)
  return withTensors(async (tensors) => {
    for (const input of node.inputs) tensors.push(await deltaOnDevice(input, job, device))
    for (const mask of graph.masks ?? []) {
      const fill = async (out: Region, from: number, count: number): Promise<void> => {
        await mask(await inputs.at(from, count), out, from, count)
      }
      tensors.push(await uploadStream(fill, job, device))
    }
    const count = node.inputs.length
    return device.compute(tensors, job.spec.shape, (emitter, names) =>
      graph.emit(emitter, names.slice(0, count), names.slice(count)),
    )
  })
}

function codecOf({ source }: DeltaStep, tensor: string, codecs: PlanContext['codecs']): Codec {
  return codecs.get(source.tensors.get(tensor)!.codec)
}

/** A node's delta as the CPU computes it, but for products of matrices. */
async function uploadNode(
  node: PlanNode,
  job: TensorJob,
  device: DeviceScope,
): Promise<DeviceTensor> {
  const { kernels } = job.plan.context
  const products: TensorJob['products'] = (matrix, lease) =>
    createDeviceProducts(device, kernels, matrix, lease)
  return uploadStream(await openStream(node, { ...job, products }), job, device)
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

/** Releases the tensors that `work` collects when it is done. */
async function withTensors<T>(work: (tensors: DeviceTensor[]) => Promise<T>): Promise<T> {
  const tensors: DeviceTensor[] = []
  try {
    return await work(tensors)
  } finally {
    await endAll(tensors.map((tensor) => () => tensor.release()))
  }
}
