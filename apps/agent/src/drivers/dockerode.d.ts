// What is used of dockerode. Its published types are a version behind and bring types of Node that are four versions behind.
declare module 'dockerode' {
  import type { Readable } from 'node:stream'
  type Options = Readonly<Record<string, unknown>>
  export type ContainerState = { readonly Status: string; readonly Running: boolean; readonly Paused: boolean; readonly OOMKilled: boolean; readonly Pid: number; readonly ExitCode: number }
  export interface Container {
    readonly id: string
    start(options?: Options): Promise<unknown>
    inspect(options?: Options): Promise<{ readonly Id: string; readonly State: ContainerState }>
    wait(options?: Options): Promise<{ readonly StatusCode: number }>
    pause(options?: Options): Promise<unknown>
    unpause(options?: Options): Promise<unknown>
    kill(options?: Options): Promise<unknown>
    remove(options?: Options): Promise<unknown>
    infoArchive(options: Options): Promise<unknown>
  }
  export type ImageInfo = { readonly Id: string; readonly RepoDigests?: readonly string[] | null; readonly Size: number; readonly Os?: string; readonly Architecture?: string; readonly Config?: { readonly Env?: readonly string[] | null; readonly Volumes?: Readonly<Record<string, unknown>> | null } | null }
  export interface Image { inspect(): Promise<ImageInfo>; remove(options?: Options): Promise<unknown> }
  export default class Docker {
    constructor(options: { readonly socketPath: string; readonly timeout?: number; readonly connectionTimeout?: number })
    version(options?: Options): Promise<{ readonly Version: string; readonly ApiVersion: string; readonly Components?: readonly { readonly Name: string; readonly Version: string }[] }>
    info(options?: Options): Promise<{ readonly CgroupDriver?: string; readonly CgroupVersion?: string; readonly DockerRootDir?: string; readonly Runtimes?: Readonly<Record<string, unknown>>; readonly OSType?: string; readonly ID?: string }>
    createContainer(options: Options): Promise<Container>
    getContainer(id: string): Container
    getImage(name: string): Image
    listContainers(options?: Options): Promise<readonly { readonly Id: string; readonly State: string; readonly Labels: Readonly<Record<string, string>> | null }[]>
    importImage(file: string | NodeJS.ReadableStream, options?: Options): Promise<Readable>
    pull(name: string, options?: Options): Promise<Readable>
  }
}
