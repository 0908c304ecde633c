[...document.querySelectorAll('section, .table-frame, #steps, #job-list')]
  .filter((part) => part.checkVisibility() && part.scrollWidth > part.clientWidth)
  .map(({ id, className, scrollWidth, clientWidth }) => `${id} ${className}: ${scrollWidth} in ${clientWidth}`)
