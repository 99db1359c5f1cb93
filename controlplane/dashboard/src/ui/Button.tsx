import type { ComponentProps } from 'react';

import styles from './Button.module.css';

interface Props extends ComponentProps<'button'> {
  kind?: 'plain' | 'primary' | 'danger' | 'bare';
}

/** A button, which never submits a form unless told to. */
export function Button({ kind = 'plain', type = 'button', className = '', ...rest }: Props) {
  return <button type={type} className={`${styles.button} ${styles[kind]} ${className}`} {...rest} />;
}
