// Served beside this page from where it stands (gui/serve.ts).
export * from '@lumaris/protocol/week-hours'
