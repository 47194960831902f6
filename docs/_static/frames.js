// Tells the viewer's pages in frames which colours the reader chose for this site.
document.addEventListener('DOMContentLoaded', () => {
  const frames = document.querySelectorAll('iframe.run');
  const tell = (frame) => frame.contentWindow?.postMessage(
    { paxosTheme: document.body.dataset.theme ?? 'auto' }, '*');
  for (const frame of frames) {
    // One that was loaded before hears it now, one that comes later then.
    frame.addEventListener('load', () => tell(frame));
    tell(frame);
  }
  new MutationObserver(() => frames.forEach(tell))
    .observe(document.body, { attributes: true, attributeFilter: ['data-theme'] });
});
