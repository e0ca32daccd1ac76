/** The two halves of a transformer layer. */
export type Block = 'attention' | 'mlp'

/**
 * Which half a tensor belongs to by its name, as LLaMA, Mistral, Qwen (`self_attn`, `mlp`) and
 * Hugging Face's ViT (`attention`, also its `attention.output`; `intermediate`, `output`) call
 * them; `undefined` for norms, embeddings, heads and names of other kinds.
 */
export function blockOf(name: string): Block | undefined {
  if (/\.\d+\.(self_attn|attention)\./.test(name)) return 'attention'
  if (/\.\d+\.(mlp|intermediate|output)\./.test(name)) return 'mlp'
  return undefined
}
