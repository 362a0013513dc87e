export * from './build.ts'
export * from './postgres.ts'
export * from './fake-driver.ts'
export * from './registry.ts'
