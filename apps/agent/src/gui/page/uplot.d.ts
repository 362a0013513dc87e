// The agent serves the package's own file under this name; here are its types.
export { default } from 'uplot'
