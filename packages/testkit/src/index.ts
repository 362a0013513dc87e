export * from './build.ts'
export * from './postgres.ts'
