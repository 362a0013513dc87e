export * from './build.ts'
export * from './fake-driver.ts'
