import onnxruntime from 'onnxruntime-node'

/** onnxruntime as Nodes before 24.9 see it: shared memory is an invalid argument. */
function refuseShared(tensors: object): void {
  for (const { data } of Object.values(tensors) as { data: ArrayBufferView }[]) {
    if (data.buffer instanceof SharedArrayBuffer) throw new Error('Invalid argument')
  }
}

const older = {
  ...onnxruntime,
  InferenceSession: {
    async create(...init: Parameters<typeof onnxruntime.InferenceSession.create>) {
      const session = await onnxruntime.InferenceSession.create(...init)
      return {
        run(feeds: Parameters<typeof session.run>[0], fetches: readonly string[] | object) {
          refuseShared(feeds)
          if (!Array.isArray(fetches)) refuseShared(fetches)
          return session.run(feeds, fetches as string[])
        },
        release: () => session.release(),
      }
    },
  },
}

export { older as default }
