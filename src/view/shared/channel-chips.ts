import { strings } from '../text/strings.js';
import type { Child, ElementBuilder } from '../ui/dom.js';

export interface ChannelChips {
	readonly channels: readonly number[];
	/** Largest number of buttons; the channel table has all channels. */
	readonly most: number;
	/** Called with null when the chosen channel is pressed again. */
	onChannel(channel: number | null): void;
}

/** Returns buttons that choose the channels of a sentence. A second press clears the choice. */
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

/** Marks the chosen channel on all chips within an element. */
export function pressChips(element: HTMLElement, channel: number | null): void {
	for (const chip of element.querySelectorAll<HTMLElement>('[data-bnl="channel-chip"]')) {
		chip.setAttribute('aria-pressed', String(chip.dataset.channel === String(channel)));
	}
}
