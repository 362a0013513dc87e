// Apart, so that whoever reads options need not load an engine's client.
export const RUNTIMES = ['runc', 'crun', 'runsc'] as const
export type ContainerRuntime = (typeof RUNTIMES)[number]
