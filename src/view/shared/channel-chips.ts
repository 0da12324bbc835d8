import { strings } from '../text/strings.js';
import type { Child, ElementBuilder } from '../ui/dom.js';

export interface ChannelChips {
	readonly channels: readonly number[];
	/** Channels offered as buttons; the channel table has them all. */
	readonly most: number;
	/** null: chosen no more. */
	onChannel(channel: number | null): void;
}

/** Buttons that choose the channels which a sentence speaks of. A second press gives the choice up. */
export function channelChips(h: ElementBuilder, { channels, most, onChannel }: ChannelChips): Child[] {
	const chips = channels.slice(0, most).map((channel) => {
		const chip = h(
			'button',
			{
				class: 'bnl-chip',
				bnl: 'channel-chip',
				data: { channel: String(channel) },
				attributes: { type: 'button', 'aria-label': strings.channel.name(channel), 'aria-pressed': 'false' },
				on: { click: () => onChannel(chip.getAttribute('aria-pressed') === 'true' ? null : channel) },
			},
			String(channel),
		);
		return chip;
	});
	const rest = channels.length - chips.length;
	return [...chips, rest > 0 && ` ${strings.detail.more(rest)}`];
}

/** Shows on all chips within an element which channel is chosen. */
export function pressChips(element: HTMLElement, channel: number | null): void {
	for (const chip of element.querySelectorAll<HTMLElement>('[data-bnl="channel-chip"]')) {
		chip.setAttribute('aria-pressed', String(chip.dataset.channel === String(channel)));
	}
}
