// Fields that several screens have. Whoever cannot see what is typed can have it shown, by the keyboard too.
import { PasswordInput, TextInput } from '@mantine/core'
import type { PasswordInputProps, TextInputProps } from '@mantine/core'

export const Password = ({ shows = 'Show the password', ...props }: PasswordInputProps & { /** What its button says. */ shows?: string }) => <PasswordInput {...props} visibilityToggleButtonProps={{ 'aria-label': shows, tabIndex: 0 }} />
export const NewPassword = (props: PasswordInputProps) => <Password label="New password" description="At least 10 characters that are not a common password" autoComplete="new-password" required {...props} />
/** Of an authenticator app. */
export const Code = (props: TextInputProps) => <TextInput label="Code" autoComplete="one-time-code" required minLength={6} {...props} />
