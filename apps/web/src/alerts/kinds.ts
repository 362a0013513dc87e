import { ALERT_WORDS } from '@lumaris/protocol'
import type { AlertKind } from '@lumaris/protocol'
import type { Look } from '../ui/states.ts'

const look = (kind: AlertKind, sign: string, says: string): Look => ({ word: ALERT_WORDS[kind], colour: 'orange', sign, says })
/** Each kind of alert: what it is called, and what it says. */
export const KIND: Readonly<Record<AlertKind, Look>> = {
  budget: look('budget', '◔', 'What your jobs came to this month has reached a step of its budget.'), node_offline: look('node_offline', '✗', 'A node of yours has not been heard of for a while.'),
  appeal_decided: look('appeal_decided', '⚖', 'An operator has looked at your word against an ending that lowered a node’s record.'),
  node_unreliable: look('node_unreliable', '!', 'A node of yours is believed to end less of its work than you want.'), payout_failed: look('payout_failed', '⊘', 'The provider could not carry it. The money is available again.'), agent_too_old: look('agent_too_old', '↑', 'This market asks for a newer agent.'),
  job_retried: look('job_retried', '↻', 'An operator has tried a job of yours again that no node could end.'),
  invited: look('invited', '+', 'Somebody invites you to work for an account.'), member: look('member', '+', 'Somebody works for your account now.'), topup_limit: look('topup_limit', '!', 'Your wallet is low, and was not topped up by itself.'),
  mail_off: look('mail_off', '⊘', 'Alerts cannot be mailed to you any more.'),
}
