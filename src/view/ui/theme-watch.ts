/**
 * Calls back after the theme changed. VS Code rewrites the classes of <body> and the custom properties in the style of
 * <html>; a page outside VS Code follows the system's color scheme.
 */
export function watchTheme(document: Document, onChange: () => void): () => void {
	const view = document.defaultView;
	if (!view) {
		return () => undefined;
	}
	let frame = 0;
	const changed = (): void => {
		view.cancelAnimationFrame(frame);
		frame = view.requestAnimationFrame(onChange);
	};
	const observer = new view.MutationObserver(changed);
	observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
	observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
	const scheme = view.matchMedia('(prefers-color-scheme: dark)');
	scheme.addEventListener('change', changed);
	return () => {
		observer.disconnect();
		scheme.removeEventListener('change', changed);
		view.cancelAnimationFrame(frame);
	};
}

/**
 * Returns the kind of theme that page.css distinguishes; undefined outside VS Code, where the system's scheme applies.
 * A high-contrast light theme carries both high-contrast classes.
 */
export function themeKind(body: HTMLElement): 'dark' | 'light' | 'hc-dark' | 'hc-light' | undefined {
	const { classList } = body;
	if (classList.contains('vscode-high-contrast-light')) {
		return 'hc-light';
	}
	if (classList.contains('vscode-high-contrast')) {
		return 'hc-dark';
	}
	if (classList.contains('vscode-light')) {
		return 'light';
	}
	return classList.contains('vscode-dark') ? 'dark' : undefined;
}
